// The guided capture: of what the camera shows, the one thing to say now, and when to take the photo by itself.
//
// Pure: it is given the time and what a frame shows, and answers. Advice changes at most once a second, so that it can
// be read, and every bound has a second, easier one for whoever stands inside it already (hysteresis).

import type { Face } from './types';

export const SLOTS = ['straight', 'left', 'right', 'tilt', 'free'] as const;
export type Slot = (typeof SLOTS)[number];
/** So many photos are enough. */
export const ENOUGH = 3;

/** What pixels tell of a face: mean light, difference of its halves, both in grey levels, and sharpness. */
export interface Light { mean: number; sideways: number; sharpness: number }

export type Advice =
  | 'noFace' | 'severalFaces' | 'closer' | 'back' | 'centre' | 'dark' | 'bright' | 'sideLight' | 'blurred'
  | 'lookStraight' | 'turnLeft' | 'turnRight' | 'turnLess' | 'tilt' | 'tiltLess' | 'free' | 'holdStill';

const DWELL_MS = 1000;
const HOLD_MS = 300;
/** After a photo the next pose is asked for; nobody reads it faster. */
const PAUSE_MS = 900;

export class Guide {
  #taken = new Set<Slot>();
  #advice: Advice = 'noFace';
  #since = -Infinity;
  #good: number | null = null;
  #pausedUntil = 0;
  /** Yaw and pitch of the straight photo: noses differ, and a camera may stand below or above. */
  #rest = { yaw: 0, pitch: 0 };
  #last = { yaw: 0, pitch: 0 };

  get advice(): Advice { return this.#advice; }
  get taken(): ReadonlySet<Slot> { return this.#taken; }
  /** The slot that is being filled, or null when all are. */
  get slot(): Slot | null { return SLOTS.find((slot) => !this.#taken.has(slot)) ?? null; }

  retake(slot: Slot): void { this.#taken.delete(slot); this.#good = null; }
  took(slot: Slot, now: number): void {
    if (slot === 'straight') this.#rest = this.#last;
    this.#taken.add(slot);
    this.#good = null;
    this.#pausedUntil = now + PAUSE_MS;
  }

  /** What a frame says; true if the photo is to be taken of this very frame. */
  see(faces: Face[], light: Light | null, now: number): boolean {
    const slot = this.slot;
    if (!slot) return false;
    const wanted = this.#judge(faces, light, slot);
    if (wanted !== this.#advice && now - this.#since >= DWELL_MS) {
      this.#advice = wanted;
      this.#since = now;
    }
    if (wanted !== 'holdStill' || now < this.#pausedUntil) {
      this.#good = null;
      return false;
    }
    this.#good ??= now;
    return now - this.#good >= HOLD_MS;
  }

  #judge(faces: Face[], light: Light | null, slot: Slot): Advice {
    // Whoever is told something keeps being told it until it is clearly better.
    const stuck = (advice: Advice, bound: number, easier: number) => (this.#advice === advice ? easier : bound);
    const face = faces[0];
    if (!face) return 'noFace';
    const second = faces[1];
    if (second && second.box[2] * second.box[3] * 3 > face.box[2] * face.box[3]) return 'severalFaces';
    const [x, y, w, h] = face.box_share;
    if (h < stuck('closer', 0.28, 0.32)) return 'closer';
    if (h > stuck('back', 0.86, 0.8)) return 'back';
    const off = stuck('centre', 0.2, 0.15);
    if (Math.abs(x + w / 2 - 0.5) > off || Math.abs(y + h / 2 - 0.5) > off + 0.04) return 'centre';
    if (light) {
      if (light.mean < stuck('dark', 48, 58)) return 'dark';
      if (light.mean > stuck('bright', 226, 218)) return 'bright';
      if (light.sideways > stuck('sideLight', 90, 75)) return 'sideLight';
      if (light.sharpness < stuck('blurred', 3, 4)) return 'blurred';
    }
    this.#last = { yaw: face.pose.yaw, pitch: face.pose.pitch };
    const yaw = face.pose.yaw - (slot === 'straight' ? 0 : this.#rest.yaw);
    const pitch = face.pose.pitch - (slot === 'straight' ? 0 : this.#rest.pitch);
    const straight = stuck('lookStraight', 13, 10);
    switch (slot) {
      case 'straight':
        return Math.abs(yaw) > straight ? 'lookStraight' : 'holdStill';
      // Left and right as the person sees themselves in the mirrored preview: the camera sees the other side.
      case 'left':
      case 'right': {
        const turned = slot === 'left' ? yaw : -yaw;
        const advice = slot === 'left' ? 'turnLeft' : 'turnRight';
        if (turned < stuck(advice, 7, 9)) return advice;
        return turned > stuck('turnLess', 42, 36) ? 'turnLess' : 'holdStill';
      }
      case 'tilt':
        if (Math.abs(pitch) < stuck('tilt', 6, 8)) return 'tilt';
        return Math.abs(pitch) > stuck('tiltLess', 32, 28) ? 'tiltLess' : 'holdStill';
      default:
        return Math.abs(yaw) > 32 ? 'lookStraight' : 'holdStill';
    }
  }
}

/** Light and sharpness of a face, of the pixels of a frame whose width is `width` (RGBA). */
export function lightOf(pixels: Uint8ClampedArray, width: number, height: number, box: readonly number[]): Light | null {
  const [x, y, w, h] = box as [number, number, number, number];
  const left = Math.max(1, Math.round(x));
  const top = Math.max(1, Math.round(y));
  const right = Math.min(width - 1, Math.round(x + w));
  const bottom = Math.min(height - 1, Math.round(y + h));
  if (right - left < 8 || bottom - top < 8) return null;
  const grey = (i: number) => 0.299 * pixels[i]! + 0.587 * pixels[i + 1]! + 0.114 * pixels[i + 2]!;
  const middle = (left + right) / 2;
  let sum = 0, count = 0, leftSum = 0, rightSum = 0, edges = 0;
  for (let row = top; row < bottom; row += 2) {
    for (let column = left; column < right; column += 2) {
      const i = (row * width + column) * 4;
      const here = grey(i);
      sum += here; count += 1;
      if (column < middle) leftSum += here; else rightSum += here;
      edges += Math.abs(4 * here - grey(i - 4) - grey(i + 4) - grey(i - 4 * width) - grey(i + 4 * width));
    }
  }
  return { mean: sum / count, sideways: Math.abs(leftSum - rightSum) / (count / 2), sharpness: edges / count };
}
