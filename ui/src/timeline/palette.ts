/** The tokens of the style sheet, as the canvas needs them. Read anew for every paint: the scheme may have changed. */

export interface Palette {
  ink: string;
  ink2: string;
  ink3: string;
  line: string;
  line2: string;
  sunken: string;
  page: string;
  warn: string;
  notes: string;
  mic: string;
  system: string;
  rubric: string;
  redacted: string;
  onRedacted: string;
  /** 0 is the grey of every further application. */
  apps: string[];
  /** How much of an application's colour its band has. */
  share: number;
  serif: string;
  sans: string;
}

export function palette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: token("ink"),
    ink2: token("ink2"),
    ink3: token("ink3"),
    line: token("line"),
    line2: token("line2"),
    sunken: token("sunken"),
    page: token("page"),
    warn: token("warn"),
    notes: token("notes"),
    mic: token("mic"),
    system: token("system"),
    rubric: token("rubric"),
    redacted: token("redacted"),
    onRedacted: token("on-redacted"),
    apps: [token("ink3"), ...[1, 2, 3, 4, 5, 6].map((index) => token(`app${index}`))],
    share: Number(token("app-share")),
    serif: token("serif"),
    sans: token("sans"),
  };
}
