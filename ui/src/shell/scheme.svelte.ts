/** Whether the reader's scheme is dark, for what is painted and not styled. */

class Scheme {
  private readonly query = window.matchMedia("(prefers-color-scheme: dark)");
  dark = $state(this.query.matches);

  constructor() {
    this.query.addEventListener("change", () => (this.dark = this.query.matches));
  }
}

export const scheme = new Scheme();
