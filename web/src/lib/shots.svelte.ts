// Photos that are about to be saved: each is looked at first, and refused ones say why.

import { api, ApiError } from './api';
import { asJpeg } from './camera.svelte';
import { explain } from './explain';
import { gate } from './gates';
import type { Slot } from './guide';
import type { Candidate, IdentifiedFace, PhotoAnswer } from './types';
import { t } from '../texts';

/** A face that is so many times as large as every other is the one that is meant. */
const DOMINANT = 1.5;

export interface Shot {
  id: number;
  blob: Blob;
  url: string;
  name: string;
  slot: Slot | null;
  state: 'looking' | 'good' | 'refused';
  reason: string;
  hint: string;
  answer: PhotoAnswer<IdentifiedFace> | null;
  /** Which face of the photo is meant, counted from 0; null for the one that stands out. */
  face: number | null;
  /** Somebody enrolled whom it is like enough to be. */
  like: Candidate | null;
}

const area = (face: IdentifiedFace) => face.box[2] * face.box[3];

export class Shots {
  #next = 1;
  all = $state<Shot[]>([]);

  get good(): Shot[] { return this.all.filter((shot) => shot.state === 'good'); }
  get looking(): boolean { return this.all.some((shot) => shot.state === 'looking'); }

  async add(blob: Blob, name: string, slot: Slot | null = null, face: number | null = null): Promise<void> {
    const id = this.#next++;
    this.all.push({ id, blob, url: URL.createObjectURL(blob), name, slot, state: 'looking', reason: '', hint: '', answer: null, face, like: null });
    await this.#look(id);
  }

  remove(id: number): void {
    const shot = this.all.find((s) => s.id === id);
    if (shot) URL.revokeObjectURL(shot.url);
    this.all = this.all.filter((s) => s.id !== id);
  }

  clear(): void { for (const shot of this.all) URL.revokeObjectURL(shot.url); this.all = []; }

  choose(id: number, face: number): void {
    const shot = this.all.find((s) => s.id === id);
    if (shot) { shot.face = face; this.#judge(shot); }
  }

  refuse(id: number, code: string, message: string, hint: string): void {
    const shot = this.all.find((s) => s.id === id);
    if (shot) { shot.state = 'refused'; shot.reason = (t.add.reasons as Record<string, string>)[code] ?? message; shot.hint = hint; }
  }

  async #look(id: number): Promise<void> {
    const find = () => this.all.find((s) => s.id === id);
    const shot = find();
    if (!shot) return;
    try {
      let answer: PhotoAnswer<IdentifiedFace>;
      try {
        answer = await api.identify(shot.blob, { top: 3 });
      } catch (error) {
        // What the server cannot read, the browser perhaps can: iPhones hand over HEIC.
        if (!(error instanceof ApiError) || error.code !== 'unknown_format') throw error;
        const jpeg = await asJpeg(shot.blob);
        if (!jpeg) throw error;
        const now = find();
        if (!now) return;
        URL.revokeObjectURL(now.url);
        now.blob = jpeg; now.url = URL.createObjectURL(jpeg);
        answer = await api.identify(jpeg, { top: 3 });
      }
      const now = find();
      if (!now) return;
      now.answer = answer;
      this.#judge(now);
    } catch (error) {
      const now = find();
      if (!now) return;
      const code = error instanceof ApiError ? error.code : '';
      const told = explain(error);
      now.state = 'refused';
      now.reason = (t.add.reasons as Record<string, string>)[code] ?? told.text;
      now.hint = ((t.add.hints as Record<string, unknown>)[code] as string | undefined) ?? told.detail;
    }
  }

  #judge(shot: Shot): void {
    const refuse = (code: keyof typeof t.add.reasons, hint: string) => {
      shot.state = 'refused'; shot.reason = t.add.reasons[code]; shot.hint = hint; shot.like = null;
    };
    const faces = shot.answer?.faces ?? [];
    if (faces.length === 0) return refuse('no_face', t.add.hints.no_face);
    const [first, second] = faces;
    if (shot.face === null && second && area(first!) < DOMINANT * area(second)) return refuse('several_faces', t.add.hints.several_faces);
    const face = faces[shot.face ?? 0]!;
    const bar = gate(face);
    if (bar?.code === 'face_too_small') return refuse(bar.code, t.add.hints.face_too_small(bar.pixels));
    if (bar) return refuse(bar.code, t.add.hints.face_too_poor);
    shot.state = 'good'; shot.reason = ''; shot.hint = '';
    shot.like = face.decision === 'unknown' ? null : (face.candidates[0] ?? null);
  }
}
