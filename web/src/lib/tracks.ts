// Faces followed from one look to the next: boxes move smoothly, names change only at decisions.
//
// Pure: it is given answers and times. A track is named after three of its last five looks said the same name, and called
// unknown after four that said so; until then it is "deciding". What was decided stands until as many looks contradict it.

import type { Box, IdentifiedFace } from './types';

export type Verdict = { kind: 'deciding' } | { kind: 'unknown' } | { kind: 'ambiguous'; names: string[] } | { kind: 'name'; name: string; id: string; fpir: number };
export interface Track { id: number; shown: Box; verdict: Verdict; since: number; seen: number }

interface Followed extends Track { from: Box; to: Box; at: number; votes: string[]; last: IdentifiedFace }

const WINDOW = 5;
const FOR_A_NAME = 3;
const FOR_NO_NAME = 4;
const FORGET_MS = 900;
const LEAST_OVERLAP = 0.2;

export function overlap(a: Box, b: Box): number {
  const w = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
  const h = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
  if (w <= 0 || h <= 0) return 0;
  return (w * h) / (a[2] * a[3] + b[2] * b[3] - w * h);
}

export class Tracks {
  #next = 1;
  #tracks: Followed[] = [];
  /** How long a box takes to where the last look saw it: about the time between two looks. */
  #pace = 150;

  /** What a look found, in shares of the picture. */
  see(faces: IdentifiedFace[], now: number, pace: number): void {
    this.#pace = Math.min(400, Math.max(40, pace));
    const pairs = this.#tracks.flatMap((track) => faces.map((face) => ({ track, face, iou: overlap(track.to, face.box_share) })));
    pairs.sort((a, b) => b.iou - a.iou);
    const taken = new Set<unknown>();
    for (const { track, face, iou } of pairs) {
      if (iou < LEAST_OVERLAP || taken.has(track) || taken.has(face)) continue;
      taken.add(track).add(face);
      track.from = this.#where(track, now);
      track.to = face.box_share;
      track.at = now;
      track.seen = now;
      this.#vote(track, face);
    }
    for (const face of faces) {
      if (taken.has(face)) continue;
      const box = face.box_share;
      const track: Followed = { id: this.#next++, shown: box, from: box, to: box, at: now, since: now, seen: now, votes: [], verdict: { kind: 'deciding' }, last: face };
      this.#vote(track, face);
      this.#tracks.push(track);
    }
    this.#tracks = this.#tracks.filter((track) => now - track.seen < FORGET_MS);
  }

  /** The tracks as they are to be drawn now. */
  at(now: number): Track[] {
    this.#tracks = this.#tracks.filter((track) => now - track.seen < FORGET_MS);
    for (const track of this.#tracks) track.shown = this.#where(track, now);
    return this.#tracks;
  }

  /** Whether a box is still on its way, or somebody is being decided upon: then the next frame looks different. */
  moving(now: number): boolean {
    return this.#tracks.some((track) => track.verdict.kind === 'deciding' || now - track.at < this.#pace || now - track.seen >= FORGET_MS);
  }

  #where(track: Followed, now: number): Box {
    const share = Math.min(1, (now - track.at) / this.#pace);
    const ease = 1 - (1 - share) ** 2;
    return track.from.map((v, i) => v + (track.to[i]! - v) * ease) as Box;
  }

  #vote(track: Followed, face: IdentifiedFace): void {
    const first = face.candidates[0];
    const vote = face.decision === 'match' && first ? `=${first.id}` : face.decision;
    track.last = face;
    track.votes = [...track.votes.slice(1 - WINDOW), vote];
    const count = (what: string) => track.votes.filter((v) => v === what).length;
    if (vote.startsWith('=') && first && count(vote) >= FOR_A_NAME) {
      track.verdict = { kind: 'name', name: first.person, id: first.id, fpir: first.fpir };
    } else if (vote === 'ambiguous' && count(vote) >= FOR_NO_NAME) {
      track.verdict = { kind: 'ambiguous', names: face.candidates.slice(0, Math.max(2, face.tied)).map((c) => c.person) };
    } else if (vote === 'unknown' && count(vote) >= FOR_NO_NAME) {
      track.verdict = { kind: 'unknown' };
    }
  }
}
