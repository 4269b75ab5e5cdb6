/**
 * Which page is shown. Addresses hold opaque ids only; words, filters and places stay in the page's memory, because
 * browsers write addresses and titles to disk.
 */

export type View = "list" | "session" | "live" | "search" | "sign-in";

function parse(path: string): { view: View; id: string } {
  const found = /^\/s\/([A-Za-z0-9_-]+)\/?$/.exec(path);
  if (found) return { view: "session", id: found[1] ?? "" };
  if (path === "/live") return { view: "live", id: "" };
  if (path === "/search") return { view: "search", id: "" };
  if (path === "/sign-in") return { view: "sign-in", id: "" };
  return { view: "list", id: "" };
}

class Page {
  view = $state<View>("list");
  id = $state("");
  /** Where to begin in the session that is opened next; never in the address. */
  arrive_ms: number | null = null;
  signedOut = $state(false);
  private place: (() => number) | null = null;

  constructor() {
    this.read();
    window.addEventListener("popstate", () => this.read());
    window.addEventListener("pagehide", () => this.keepPlace());
  }

  /** Who shows a session says here where it stands, so that coming back and reloading land there; null when it closes. */
  keep(place: (() => number) | null): void {
    this.place = place;
  }

  /** Write the place to this entry of the history: never to the address. */
  keepPlace(): void {
    if (this.view !== "session" || !this.place) return;
    const at_ms = Math.round(this.place());
    const held = (history.state as { at_ms?: number } | null)?.at_ms ?? 0;
    if (held !== at_ms) history.replaceState({ at_ms }, "");
  }

  private read(): void {
    const { view, id } = parse(location.pathname);
    const kept = (history.state as { at_ms?: unknown } | null)?.at_ms;
    if (view === "session" && typeof kept === "number" && kept > 0) this.arrive_ms ??= kept;
    if (id !== this.id) this.place = null;
    this.view = view;
    this.id = id;
  }

  go(path: string, at_ms: number | null = null): void {
    this.keepPlace();
    if (path !== location.pathname) history.pushState(null, "", path);
    this.arrive_ms = at_ms;
    this.read();
  }

  /** A press on a link: the browser keeps its own ways with modifiers. */
  follow(event: MouseEvent, path: string, at_ms: number | null = null): void {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    this.go(path, at_ms);
  }
}

export const page = new Page();

/** Whether keys typed now belong to a field. */
export function typing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return target !== null && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}
