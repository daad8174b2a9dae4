// The queue of questions: one is shown, the next are ready, and an answer can be taken back.

import { api, ApiError, faceCrop, personPicture, sightingCrop } from './api';
import { changes } from './changes.svelte';
import type { Answer, Asked, Shown } from './types';
import { t } from '../texts';

/** Questions that are fetched ahead of the one that is shown. */
const AHEAD = 6;

export class Queue {
  #items = $state.raw<Asked[]>([]);
  #left = $state(0);
  #loaded = $state(false);
  #failed = $state<unknown>(null);
  /** Put off until the page is opened again. */
  #later = $state.raw<ReadonlySet<string>>(new Set());
  /** Answered, as long as the server still names them. */
  #sent = $state.raw<ReadonlySet<string>>(new Set());
  #turn = 0;
  /** Asked again after its answer was taken back: before all others. */
  #again = $state('');

  readonly #open = $derived.by(() => {
    const open = this.#items.filter((asked) => !this.#later.has(asked.key) && !this.#sent.has(asked.key));
    const back = open.find((asked) => asked.key === this.#again);
    return back ? [back, ...open.filter((asked) => asked !== back)] : open;
  });
  get loaded(): boolean { return this.#loaded; }
  get failed(): unknown { return this.#failed; }
  get now(): Asked | undefined { return this.#open[0]; }
  get left(): number { return Math.max(this.#open.length, this.#left - this.#later.size - this.#sent.size); }
  get later(): number { return this.#later.size; }

  async load(): Promise<void> {
    const turn = ++this.#turn;
    try {
      const { items, left } = await api.review(Math.min(500, this.#later.size + this.#sent.size + AHEAD));
      // A later request knows more.
      if (turn !== this.#turn) return;
      this.#items = items; this.#left = left;
      // Without those that are gone, the count of what is left is right.
      const there = new Set(items.map((asked) => asked.key));
      this.#later = new Set([...this.#later].filter((key) => there.has(key)));
      this.#sent = new Set([...this.#sent].filter((key) => there.has(key)));
      this.#failed = null;
      for (const url of this.#open.slice(0, 3).flatMap(pictures)) new Image().src = url;
    } catch (error) {
      if (!this.#loaded || this.#items.length === 0) this.#failed = error; else changes.fail(error);
    }
    this.#loaded = true;
  }

  skip(): void {
    const now = this.now;
    if (!now) return;
    this.#later = new Set([...this.#later, now.key]);
    this.#again = '';
    if (this.#open.length < 3) void this.load();
  }
  /** What was put off is asked after all. */
  resume(): void { this.#later = new Set(); void this.load(); }

  /** Tells the server and shows the next question at once. Whoever shows the queue loads it again after a change. */
  async answer(asked: Asked, answer: Answer, who: { name?: string; person?: string } = {}, name = ''): Promise<void> {
    const { key } = asked;
    this.#sent = new Set([...this.#sent, key]);
    this.#again = '';
    try {
      const { operations } = await api.answer({ key, answer, ...who });
      changes.done(told(asked, answer, who.name ?? name), [], async () => {
        await api.takeBackAnswer(key, operations);
        this.#again = key;
        return t.review.again;
      });
    } catch (error) {
      this.#sent = new Set([...this.#sent].filter((each) => each !== key));
      // Somebody else answered meanwhile: the next question is as good.
      if (!(error instanceof ApiError && error.code === 'not_asked')) changes.fail(error);
      await this.load();
    }
  }
}

/** What an answer has done, in the visitor's language. */
function told(asked: Asked, answer: Answer, name: string): string {
  if (answer === 'never') return t.review.neverAgain;
  const yes = answer === 'yes';
  switch (asked.question) {
    case 'is_person': return yes ? t.review.isNow(asked.person.name) : t.review.isNot(asked.person.name);
    case 'which_person': return yes ? t.review.isNow(asked.first.name) : answer === 'second' ? t.review.isNow(asked.second.name) : t.review.isNeither;
    case 'stranger_is_person': return yes ? t.review.strangerIs(asked.stranger, asked.person.name) : t.review.isNot(asked.person.name);
    case 'one_stranger': return yes ? t.review.joined(2) : t.review.areTwo;
    case 'who_is': return answer === 'name' ? t.review.strangerIs(asked.stranger, name) : t.review.ignoredDone(asked.stranger);
    case 'belongs_to': return yes ? t.review.kept(asked.person.name) : t.review.removedFace(asked.person.name);
    case 'one_person': return yes ? t.people.merged(2, asked.first.name) : t.review.areTwo;
    case 'two_people': return yes ? t.review.wasSplit(asked.faces.length, asked.person.name) : t.review.kept(asked.person.name);
    case 'misleads': return yes ? t.review.removedFace(asked.person.name) : t.review.kept(asked.person.name);
    default: return t.review.settled;
  }
}
const crops = (shown: readonly Shown[]): string[] => shown.map((each) => sightingCrop(each.sighting));

/** The pictures that a question shows. */
export function pictures(asked: Asked): string[] {
  switch (asked.question) {
    case 'is_person': return [sightingCrop(asked.face.sighting), asked.beside ? faceCrop(asked.beside) : personPicture(asked.person.id)];
    case 'which_person': return [sightingCrop(asked.face.sighting), personPicture(asked.first.id), personPicture(asked.second.id)];
    case 'stranger_is_person': return [...crops(asked.faces), asked.beside ? faceCrop(asked.beside) : personPicture(asked.person.id)];
    case 'one_stranger': return [...crops(asked.faces), ...crops(asked.others)];
    case 'who_is': return crops(asked.faces);
    case 'belongs_to': return [faceCrop(asked.face), personPicture(asked.person.id)];
    case 'one_person': return [personPicture(asked.first.id), personPicture(asked.second.id)];
    case 'two_people': return [...asked.faces.map(faceCrop), personPicture(asked.person.id)];
    case 'misleads': return [faceCrop(asked.face), personPicture(asked.person.id)];
    default: return [];
  }
}
