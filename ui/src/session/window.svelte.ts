/** A window on a long list of rows of unknown height: so many around a centre, more when the reader asks. */

const AROUND = 150;
const MORE = 200;

export class ListWindow {
  start = $state(0);
  end = $state(AROUND * 2);

  /** Make sure an index is inside, with some around it. */
  show(index: number): void {
    if (index >= this.start && index < this.end) return;
    this.start = Math.max(0, index - AROUND);
    this.end = this.start + AROUND * 2;
  }

  earlier(): void {
    this.start = Math.max(0, this.start - MORE);
  }

  later(): void {
    this.end += MORE;
  }
}
