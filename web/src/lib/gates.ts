// Why a face cannot be used, as far as geometry tells: the server's gates of enrolment, which it applies again and has the last word.

import type { Face } from './types';

export const LEAST_BETWEEN_EYES = 16;
export const LEAST_QUALITY = 0.35;
/** A head that is turned further shows less than half of the face. */
const TURNED = 45;

export type Gate = { code: 'face_too_small'; pixels: number } | { code: 'face_too_poor' | 'turned_away' };

export function betweenEyes(face: Pick<Face, 'landmarks'>): number {
  const [right, left] = face.landmarks as [[number, number], [number, number]];
  return Math.hypot(right[0] - left[0], right[1] - left[1]);
}

/** What keeps a face from being used; null if nothing does. */
export function gate(face: Pick<Face, 'landmarks' | 'quality' | 'pose'>): Gate | null {
  const pixels = betweenEyes(face);
  if (pixels < LEAST_BETWEEN_EYES) return { code: 'face_too_small', pixels: Math.round(pixels) };
  if (face.quality >= LEAST_QUALITY) return null;
  return { code: Math.abs(face.pose.yaw) > TURNED ? 'turned_away' : 'face_too_poor' };
}
