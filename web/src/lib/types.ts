// Names for the shapes of the server's answers; what they hold stands in the generated client.

import type { Schemas } from '../../client';

export type Face = Schemas['Face'];
export type Box = Face['box'];
export type Point = Face['landmarks'][number];
export type Pose = Schemas['Pose'];
export type Candidate = Schemas['Candidate'];
export type IdentifiedFace = Schemas['Identified'];
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
/** Somebody, as questions name them. */
export type Named = Schemas['Somebody'];
/** A face in a photo, as questions show it. */
export type Shown = Schemas['ShownFace'];
export type Answer = Schemas['AnswerKind'];
export type Asked = Schemas['Asked'];
export type Stranger = Schemas['Stranger'];
export type Seen = Schemas['Seen'];
export type Photo = Schemas['ArchivePhoto'];
export type Stream = Schemas['Stream'];
export type StreamVisit = Schemas['StreamVisit'];
export type StreamSnapshot = Schemas['StreamSnapshot'];
