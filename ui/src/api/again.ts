/** A picture that could not be had is asked for again, later and later; until then its place stays quiet. */

const PAUSES_MS = [2_000, 6_000, 20_000, 60_000];

/** For `use:again` on an image. */
export function again(picture: HTMLImageElement): { destroy: () => void } {
  let tries = 0;
  let timer = 0;
  let failed = "";

  function missed(): void {
    const address = picture.src;
    if (address !== failed) tries = 0;
    failed = address;
    const pause = PAUSES_MS[tries];
    if (pause === undefined) return;
    tries += 1;
    window.clearTimeout(timer);
    timer = window.setTimeout(() => {
      if (picture.src === address) picture.src = address;
    }, pause);
  }

  picture.addEventListener("error", missed);
  return {
    destroy: () => {
      window.clearTimeout(timer);
      picture.removeEventListener("error", missed);
    },
  };
}
