// A photo that goes from one screen to the next: somebody was asked about, and shall be added.

export interface Handover { photo: File; face: number; person: string | null }

let waiting: Handover | null = null;
export const handOver = (what: Handover): void => { waiting = what; };
/** What was handed over, once. */
export const takeOver = (): Handover | null => { const what = waiting; waiting = null; return what; };
