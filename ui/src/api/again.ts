/**
 * A picture that could not be had is asked for again, later and later; until then a quiet mark stands in its place,
 * which the style sheet gives to `data-missed`: the browser's own looks like a fault of the page.
 */

const PAUSES_MS = [2_000, 6_000, 20_000, 60_000];

/** For `use:again` on an image. */
export function again(picture: HTMLImageElement): { destroy: () => void } {
  let tries = 0;
  let timer = 0;
  let failed = "";

  function missed(): void {
    const address = picture.src;
    picture.dataset["missed"] = "";
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

  const came = (): void => void delete picture.dataset["missed"];
  picture.addEventListener("error", missed);
  picture.addEventListener("load", came);
  return {
    destroy: () => {
      window.clearTimeout(timer);
      picture.removeEventListener("error", missed);
      picture.removeEventListener("load", came);
    },
  };
}
