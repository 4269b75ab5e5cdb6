/** Times, lengths and figures in words. The axis of a session is its wall clock from the start, gaps included. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January", "February", "March", "April", "May", "June", "July",
  "August", "September", "October", "November", "December",
];

const two = (value: number): string => String(value).padStart(2, "0");

/** `09:02` of a moment. */
export function hourMinute(wall_ms: number): string {
  const date = new Date(wall_ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `09:02:27` of a moment. */
export function clock(wall_ms: number): string {
  return `${hourMinute(wall_ms)}:${two(new Date(wall_ms).getSeconds())}`;
}

/** `50:24`, `1:03:30`: how far into the recording. */
export function position(ms: number): string {
  const all = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor((all % 3600) / 60);
  return hours ? `${hours}:${two(minutes)}:${two(all % 60)}` : `${minutes}:${two(all % 60)}`;
}

/** `1 h 03`, `45 min`, `20 s`: a length at a glance. */
export function length(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 5 && seconds % 60 ? `${minutes} min ${two(seconds % 60)} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)}`;
}

/** A length in full, for sentences. */
export function lengthInFull(ms: number): string {
  const short = length(ms);
  return short.includes(" h ") ? `${short} min` : short;
}

/** A length that need not be exact: `41 h`, `3 days`. */
export function roughly(ms: number): string {
  const hours = ms / 3_600_000;
  if (hours >= 72) return `${Math.round(hours / 24)} days`;
  return hours >= 10 ? `${Math.round(hours)} h` : length(ms);
}

/** `Thursday 19 November`, with the year where it is not this one. */
export function day(wall_ms: number, now_ms: number): string {
  const date = new Date(wall_ms);
  const year = date.getFullYear() === new Date(now_ms).getFullYear() ? "" : ` ${date.getFullYear()}`;
  return `${DAYS[date.getDay()]} ${date.getDate()} ${MONTHS[date.getMonth()]}${year}`;
}

/** The large figure, and the line below it, of a day in the list's margin. */
export function marginDay(wall_ms: number, now_ms: number): { figure: string; words: string } {
  const date = new Date(wall_ms);
  const today = new Date(now_ms);
  const figure = String(date.getDate());
  if (date.toDateString() === today.toDateString()) return { figure, words: `${DAYS[date.getDay()]}, today` };
  if (now_ms - wall_ms < 6 * 86_400_000) return { figure, words: DAYS[date.getDay()] ?? "" };
  const year = date.getFullYear() === today.getFullYear() ? "" : ` ${date.getFullYear()}`;
  return { figure, words: `${(DAYS[date.getDay()] ?? "").slice(0, 3)}, ${MONTHS[date.getMonth()]}${year}` };
}

/** The key under which sessions of one day gather. */
export function dayKey(wall_ms: number): string {
  const date = new Date(wall_ms);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** `438 MB`. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `$0.03`, or `free`. */
export function cost(usd: number): string {
  if (usd <= 0) return "free";
  return usd < 0.01 ? "under $0.01" : `$${usd.toFixed(2)}`;
}

/** `3 gaps`, `1 gap`. */
export function count(number: number, word: string): string {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}
