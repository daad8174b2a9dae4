// Shapes of the server's answers, as docs/reference/http.md describes them.

export type Box = [number, number, number, number];
export type Point = [number, number];
export interface Pose { yaw: number; pitch: number; roll: number }
export interface Face { box: Box; box_share: Box; score: number; landmarks: Point[]; quality: number; pose: Pose }
export interface Candidate { person: string; id: string; similarity: number; fmr: number; fpir: number }
export type Verdict = 'match' | 'ambiguous' | 'unknown';
export interface IdentifiedFace extends Face {
  person: string | null;
  decision: Verdict;
  threshold: number;
  candidates: Candidate[];
  tied: number;
}
export interface PhotoAnswer<F> { width: number; height: number; faces: F[] }
export interface Person {
  id: string; name: string; attributes: Record<string, string>; lists: string[];
  created: number; faces: number; negatives: number;
}
export interface StoredFace {
  id: string; person: string; quality: number; photo: string | null; taken: number | null; added: number;
  source: string | null; consent: string | null; crop: boolean;
}
export interface Negative { id: string; person: string; photo: string | null; added: number; source: string | null }
export interface Operation { id: string; at: number; what: string; kind: string; details: Record<string, unknown> }
export interface Page<T> { items: T[]; next: string | null }
export interface PhotoError { code: string; message: string; remedy: string }
export type Doubt =
  | { kind: 'unlike'; like_own: number; nearest: Candidate | null }
  | { kind: 'also_like'; other: Candidate };
export interface PhotoResult {
  source: string; face?: string; known?: string; like_own?: number | null; similar?: Candidate[];
  doubt?: Doubt | null; error?: PhotoError;
}
export interface Enrolled { photos: PhotoResult[]; person: Person; operation: string | null }
export interface Verified { similarity: number; fmr: number | null; same: boolean | null; person?: string; id?: string; denied?: boolean }
export interface Gallery {
  name: string; model: string; dim: number; sealed: boolean; people: number; people_without_faces: number; faces: number;
  crops: number; negatives: number; operations: number; removed_faces: number; undo_days: number; calibrated: number | null;
}
export interface Rates {
  source: 'card' | 'measured'; threshold: number; fmr: number; fpir: number; people: number; least_measured: number;
  points: { fmr: number; similarity: number }[];
}
export interface Job {
  id: string; kind: string; state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'; done: number; total: number;
  seconds_left: number | null; created: number; finished: number | null; result: unknown; error: PhotoError | null;
}
export type Scope = 'read' | 'enrol' | 'admin';
export interface Status { version: string; setup_needed: boolean; passphrase: boolean; signed_in: boolean; scope: Scope | null }
export interface Session { csrf: string; scope: Scope; expires: number }
export interface Key { id: string; name: string; scope: Scope; galleries: string[] | null; created: number; last_used: number | null }
export interface Audit { at: number; who: string; what: string; gallery: string | null; subject: string | null; status: number; request_id: string }
