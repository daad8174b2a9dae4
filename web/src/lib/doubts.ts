// Of whom something is doubted, which Review asks about: faces that do not fit, one person as two, two as one. It follows from the
// people alone, however large the archive of photos is.

import { api } from './api';

/** More people than these are not looked through for a mark beside a face. */
const MOST = 2000;

export async function doubted(people: number): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  if (people > MOST) return found;
  for (const asked of (await api.doubts()).items) {
    if (asked.question === 'belongs_to' || asked.question === 'two_people' || asked.question === 'misleads') found.add(asked.person.id);
    if (asked.question === 'one_person') { found.add(asked.first.id); found.add(asked.second.id); }
  }
  return found;
}
