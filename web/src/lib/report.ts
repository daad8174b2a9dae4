// What the report of an evaluation says, for people: the format is that of `phiz eval gallery --json`.

export interface Figure {
  id: string; name: string; value?: number | null; reason?: string | null; trials?: number | null;
  interval?: { low: number; high: number } | null; too_few?: { have: number; needed: number } | null;
}
export interface Report { sections: { id: string; title: string; figures: Figure[]; tables?: { title: string; head: string[]; rows: string[][] }[] }[] }
/** A face of somebody, by the label that the server gives it. */
export interface Labelled { name: string; person: string; face: string | null }

const LABEL = /^(.*) (p\d+)(?:, face (f\d+))?$/s;
function labelled(text: string | undefined): Labelled | null {
  const match = LABEL.exec(text ?? '');
  return match ? { name: match[1]!, person: match[2]!, face: match[3] ?? null } : null;
}

const section = (report: Report, id: string) => report.sections.find((each) => each.id === id);
export const figure = (report: Report | null, id: string): Figure | null =>
  report?.sections.flatMap((each) => each.figures).find((each) => each.id === id) ?? null;

/** Of people who are enrolled, the share that is missed where so many strangers are named. */
export const missedAt = (report: Report | null, fpir: number): Figure | null => figure(report, `fnir_at_${fpir.toExponential()}`);

interface Pair { one: Labelled; other: Labelled; similarity: number }
function firstOf(report: Report | null, title: string): Pair | null {
  const row = report?.sections.flatMap((each) => each.tables ?? []).find((table) => table.title.startsWith(title))?.rows[0];
  const [one, other] = [labelled(row?.[0]), labelled(row?.[1])];
  return one && other ? { one, other, similarity: Number(row![2]) } : null;
}
/** The two people whose faces are most alike. */
export const closest = (report: Report | null): Pair | null => firstOf(report, 'People who look alike');
/** The person two of whose faces are least alike. */
export const weakest = (report: Report | null): Pair | null => firstOf(report, 'Least similar pairs of one person');

/** Faces that are more like somebody else than like their own person, the worst first. */
export function misfits(report: Report | null): { face: Labelled; other: Labelled }[] {
  const rows = report ? (section(report, 'gallery')?.tables?.[0]?.rows ?? []) : [];
  return rows.flatMap((row) => {
    const [face, other] = [labelled(row[0]), labelled(row[2])];
    return face && other ? [{ face, other }] : [];
  });
}
