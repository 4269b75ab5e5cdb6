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

  constructor() {
    this.read();
    window.addEventListener("popstate", () => this.read());
  }

  private read(): void {
    const { view, id } = parse(location.pathname);
    this.view = view;
    this.id = id;
  }

  go(path: string, at_ms: number | null = null): void {
    this.arrive_ms = at_ms;
    if (path !== location.pathname) history.pushState(null, "", path);
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
