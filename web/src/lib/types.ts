// Names for the shapes of the server's answers; what they hold stands in the generated client.

import type { Schemas } from '../../client';

export type Face = Schemas['Face'];
export type Box = Face['box'];
export type Point = Face['landmarks'][number];
export type Pose = Schemas['Pose'];
export type Candidate = Schemas['Candidate'] & { face: string };
export type IdentifiedFace = Omit<Schemas['Identified'], 'candidates'> & { candidates: Candidate[] };
export interface PhotoAnswer<F> { width: number; height: number; faces: F[] }
export interface Page<T> { items: T[]; next?: string | null }
export type Person = Schemas['Person'];
export type StoredFace = Schemas['StoredFace'];
export type Negative = Schemas['Negative'];
export type PhotoResult = Schemas['EnrolledPhoto'];
export type Verified = Schemas['Verified'];
export type Gallery = Schemas['GalleryFigures'];
export type Rates = Schemas['Rates'];
export type Job = Schemas['Job'];
export type Scope = Schemas['Scope'];
export type Status = Schemas['Status'];
export type Session = Schemas['SessionInfo'];
export type Key = Schemas['KeyInfo'];
export type Audit = Schemas['AuditEntry'];
/** `details` is JSON of the kind of operation. */
export type Operation = Schemas['Operation'];

export interface Named { id: string; name: string }
export interface Shown { sighting: string; photo?: string; path?: string; box: number[] }
export type Answer = 'yes' | 'no' | 'second' | 'never' | 'name';
export type Asked = { key: string; worth: number } & (
  | { question: 'is_person'; face: Shown; person: Named; beside?: string | null; fpir: number }
  | { question: 'which_person'; face: Shown; first: Named; second: Named }
  | { question: 'stranger_is_person'; stranger: number; faces: Shown[]; person: Named; beside?: string | null; fpir: number }
  | { question: 'one_stranger'; first: number; second: number; faces: Shown[]; others: Shown[]; fmr: number }
  | { question: 'who_is'; stranger: number; faces: Shown[]; photos: number }
  | { question: 'belongs_to'; face: string; person: Named; fmr: number }
  | { question: 'one_person'; first: Named; second: Named; fmr: number }
  | { question: 'two_people'; person: Named; faces: string[]; fmr: number }
  | { question: 'misleads'; face: string; person: Named; negative: string; fmr: number });
export interface Stranger { stranger: number; count: number; photos: number; faces: (Shown & { quality: number })[]; first?: number | null; last?: number | null; ignored: boolean }
export interface Seen { sighting: string; photo: string; path: string; taken: number; box_share: number[]; person?: string | null; id?: string | null; stranger?: number | null; decision: string }
export interface Photo { photo: string; path: string; width: number; height: number; taken?: number | null; faces: Seen[] }
