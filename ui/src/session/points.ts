/** What the panel leaves out because it is there already. Pure. */

function bare(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

/** The points that say something the text does not, each once. */
export function newPoints(text: string | null, points: readonly string[]): string[] {
  const told = ` ${bare(text ?? "")} `;
  const seen = new Set<string>();
  return points.filter((point) => {
    const words = bare(point);
    if (!words || seen.has(words) || told.includes(` ${words} `)) return false;
    seen.add(words);
    return true;
  });
}

const TRIGGERS: Record<string, string> = {
  interval: "by time",
  adaptive: "by what happened",
  focus: "another window",
  title: "another title",
  change: "the screen changed",
  manual: "asked for",
  start: "at a start",
};

/** Why a shot was taken, as `pepys show` says it; empty where nobody knows. */
export function triggerWords(trigger: string | undefined): string {
  return trigger ? (TRIGGERS[trigger] ?? trigger) : "";
}

export interface Read {
  at_ms: number;
  end_ms: number;
  shot: string;
  text: string;
}

export interface Told extends Read {
  /** How many shots in a row show the same. */
  shots: number;
  /** The lines that the shot before did not have. */
  fresh: string;
  /** How many lines stand here as they stood before. */
  same: number;
}

/** Shots in a row with the same words as one, until the last of them ends; of the others what is new. */
export function joinSame(read: readonly Read[]): Told[] {
  const joined: Told[] = [];
  let before = new Set<string>();
  for (const one of read) {
    const lines = one.text.split("\n").filter((line) => line.trim());
    const keys = new Set(lines.map(key));
    const fresh = lines.filter((line) => !before.has(key(line)));
    const last = joined.at(-1);
    if (last && !fresh.length && keys.size === before.size) {
      last.end_ms = Math.max(last.end_ms, one.end_ms);
      last.shots += 1;
      continue;
    }
    joined.push({ ...one, shots: 1, fresh: fresh.length === lines.length ? one.text : fresh.join("\n"), same: lines.length - fresh.length });
    before = keys;
  }
  return joined;
}

/** A line as the eye takes it: readings of the same line differ in spaces and signs. */
function key(line: string): string {
  return bare(line).replaceAll(" ", "") || line.trim();
}
