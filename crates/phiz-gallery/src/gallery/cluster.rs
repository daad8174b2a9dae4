//! Which sightings are one person, told from templates alone.
//!
//! Agglomerative clustering over the nearest neighbours of each sighting. Two clusters become one if the cosine of their
//! means reaches a similarity that two strangers reach rarely enough, and the mean similarity of their members does not
//! contradict it; the most similar pair comes first. Two faces of one photo are two people. Groups that exist are clusters
//! from the start and never lose a member here, so that what is new joins them and no number changes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::index::{Index, Probe};
use crate::rows::similarity;

/// A sighting to be grouped.
pub(super) struct Item<'a> {
    pub(super) photo: u64,
    pub(super) template: &'a [f32],
    /// The group that it is in, by its place in the list of groups.
    pub(super) group: Option<usize>,
    /// Whether it was not looked at before.
    pub(super) new: bool,
}

/// A group that exists.
pub(super) struct Anchor {
    /// Whether other groups may become part of it, or it of others: nobody has said anything about it.
    pub(super) open: bool,
    /// The groups that it must not be joined to, by their places.
    pub(super) apart: BTreeSet<usize>,
}

/// Similarities that decide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The least cosine of two clusters' means.
    pub(super) means: f32,
    /// The least mean similarity of their members.
    pub(super) members: f32,
    /// The least similarity of two sightings that are looked at at all.
    pub(super) neighbours: f32,
    /// Photos that a new group needs.
    pub(super) least_photos: usize,
}

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Clusters {
    /// New groups, by their items, rising; the groups by their first items.
    pub(super) born: Vec<Vec<usize>>,
    /// Items that join a group, with the group's place; rising.
    pub(super) joined: Vec<(usize, usize)>,
    /// Groups that become part of an older one: `(younger, older)`.
    pub(super) merged: Vec<(usize, usize)>,
}

/// Nearest neighbours of each sighting that are looked at.
const NEIGHBOURS: usize = 24;
/// Members of a cluster whose mean still changes much with each that comes.
const FEW: usize = 16;
/// Probes that one thread takes at a time.
const BATCH: usize = 64;

/// One or more sightings that are one person.
struct Cluster {
    /// Sum of the members' templates; empty for one that was absorbed.
    sum: Vec<f32>,
    members: Vec<usize>,
    photos: BTreeSet<u64>,
    anchor: Option<usize>,
    near: BTreeSet<usize>,
    /// Counts how often its neighbours were looked at, so that older entries in the queue are known.
    version: u32,
}

/// A pair in the queue: the most similar first, then by place.
#[derive(PartialEq)]
struct Pair {
    means: f32,
    pair: Reverse<(usize, usize)>,
    versions: (u32, u32),
}

impl Eq for Pair {}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.means.total_cmp(&other.means).then(self.pair.cmp(&other.pair))
    }
}

#[allow(clippy::needless_range_loop, reason = "several lists are walked together")]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side: f32 is exact enough for what is compared with a threshold.
    let mut sums = [0.0f32; 8];
    let (a8, b8) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a8.0.iter().zip(b8.0) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a8.1.iter().zip(b8.1).map(|(a, b)| a * b).sum::<f32>()
}

/// Pairs of items of which one is new, that are similar enough to be looked at.
fn neighbours(
    items: &[Item<'_>],
    dim: usize,
    floor: f32,
    threads: usize,
    tell: &(dyn Fn(usize, usize) + Sync),
) -> Vec<(usize, usize)> {
    let mut index = Index::new(dim);
    for (place, item) in items.iter().enumerate() {
        index.set(place as u64, Some(item.template));
    }
    let new: Vec<usize> = (0..items.len()).filter(|place| items[*place].new).collect();
    let (next, done, found) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let from = next.fetch_add(BATCH, Ordering::Relaxed);
                    let Some(batch) = new.get(from..new.len().min(from + BATCH)).filter(|b| !b.is_empty())
                    else {
                        return;
                    };
                    let probes: Vec<Probe> = batch.iter().map(|p| index.probe(items[*p].template)).collect();
                    let mut pairs = Vec::new();
                    // The first hit is the sighting itself.
                    for (place, hits) in batch.iter().zip(index.search(&probes, NEIGHBOURS + 1, None)) {
                        for hit in hits.iter().filter(|hit| hit.at_most >= floor) {
                            let other = hit.id as usize;
                            let (a, b) = (items[*place].template, items[other].template);
                            if other != *place && similarity(a, b) >= floor {
                                pairs.push((other.min(*place), other.max(*place)));
                            }
                        }
                    }
                    found.lock().unwrap_or_else(PoisonError::into_inner).extend(pairs);
                    tell(done.fetch_add(batch.len(), Ordering::Relaxed) + batch.len(), new.len());
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_unstable();
    found.dedup();
    found
}

struct Work<'a> {
    clusters: Vec<Cluster>,
    /// The cluster that each was absorbed by, or itself.
    into: Vec<usize>,
    queue: BinaryHeap<Pair>,
    anchors: &'a [Anchor],
    /// For each group, those that must not come to it; grows as groups become one.
    apart: Vec<BTreeSet<usize>>,
    rules: Rules,
}

impl Work<'_> {
    fn find(&mut self, mut cluster: usize) -> usize {
        while self.into[cluster] != cluster {
            self.into[cluster] = self.into[self.into[cluster]];
            cluster = self.into[cluster];
        }
        cluster
    }

    fn means(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (&self.clusters[a].sum, &self.clusters[b].sum);
        let lengths = (dot(a, a) * dot(b, b)).sqrt();
        if lengths > 1e-12 { dot(a, b) / lengths } else { -1.0 }
    }

    fn offer(&mut self, a: usize, b: usize) {
        let means = self.means(a, b);
        if means >= self.rules.means {
            let (a, b) = (a.min(b), a.max(b));
            let versions = (self.clusters[a].version, self.clusters[b].version);
            self.queue.push(Pair { means, pair: Reverse((a, b)), versions });
        }
    }

    fn may_join(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.clusters[a], &self.clusters[b]);
        let groups = match (a.anchor, b.anchor) {
            (Some(one), Some(other)) => {
                self.anchors[one].open
                    && self.anchors[other].open
                    && !self.apart[one].contains(&other)
                    && !self.apart[other].contains(&one)
            }
            _ => true,
        };
        let (few, many) =
            if a.photos.len() < b.photos.len() { (&a.photos, &b.photos) } else { (&b.photos, &a.photos) };
        let mean = dot(&a.sum, &b.sum) / (a.members.len() * b.members.len()) as f32;
        groups && mean >= self.rules.members && few.iter().all(|photo| !many.contains(photo))
    }

    /// Makes two clusters one; says whether a group became part of another.
    fn join(&mut self, a: usize, b: usize) -> Option<(usize, usize)> {
        // The larger stays, so that little is copied.
        let (stays, goes) = match self.clusters[a].members.len() < self.clusters[b].members.len() {
            true => (b, a),
            false => (a, b),
        };
        self.into[goes] = stays;
        let gone = &mut self.clusters[goes];
        let (sum, members, photos, near) = (
            std::mem::take(&mut gone.sum),
            std::mem::take(&mut gone.members),
            std::mem::take(&mut gone.photos),
            std::mem::take(&mut gone.near),
        );
        let other = gone.anchor.take();
        let kept = &mut self.clusters[stays];
        kept.sum.iter_mut().zip(&sum).for_each(|(s, v)| *s += v);
        let before = kept.members.len();
        kept.members.extend(members);
        let now = kept.members.len();
        kept.photos.extend(photos);
        let merged = match (kept.anchor, other) {
            (Some(one), Some(other)) => {
                let (younger, older) = (one.max(other), one.min(other));
                kept.anchor = Some(older);
                let barred = std::mem::take(&mut self.apart[younger]);
                for group in &barred {
                    self.apart[*group].insert(older);
                }
                self.apart[older].extend(barred);
                Some((younger, older))
            }
            (own, other) => {
                kept.anchor = own.or(other);
                None
            }
        };
        let newcomers: BTreeSet<usize> =
            near.into_iter().map(|other| self.find(other)).filter(|other| *other != stays).collect();
        // The mean of few changes much with each that comes, the mean of many hardly: then its neighbours are looked at
        // again only when it has doubled, and those of the newcomers now.
        if now <= FEW || before.ilog2() != now.ilog2() {
            let old = std::mem::take(&mut self.clusters[stays].near);
            let all: BTreeSet<usize> =
                old.into_iter().map(|other| self.find(other)).chain(newcomers).collect();
            self.clusters[stays].version += 1;
            for other in all.iter().filter(|other| **other != stays) {
                self.offer(stays, *other);
            }
            self.clusters[stays].near = all;
        } else {
            newcomers.iter().for_each(|other| self.offer(stays, *other));
            self.clusters[stays].near.extend(newcomers);
        }
        merged
    }
}

/// Finds clusters. `tell` hears how many sightings of how many were compared with all.
pub(super) fn cluster(
    items: &[Item<'_>],
    anchors: &[Anchor],
    dim: usize,
    rules: Rules,
    threads: usize,
    tell: &(dyn Fn(usize, usize) + Sync),
) -> Clusters {
    let pairs = neighbours(items, dim, rules.neighbours, threads, tell);
    // Groups first, then single sightings in their order.
    let new = |anchor| Cluster {
        sum: vec![0.0; dim],
        members: Vec::new(),
        photos: BTreeSet::new(),
        anchor,
        near: BTreeSet::new(),
        version: 0,
    };
    let mut clusters: Vec<Cluster> = (0..anchors.len()).map(|place| new(Some(place))).collect();
    let mut of_item = vec![usize::MAX; items.len()];
    let mut near_something = vec![false; items.len()];
    for (a, b) in &pairs {
        (near_something[*a], near_something[*b]) = (true, true);
    }
    for (place, item) in items.iter().enumerate() {
        let own = match item.group {
            Some(group) => group,
            // Nobody is near: it stays alone, and needs no cluster.
            None if !near_something[place] => continue,
            None => {
                clusters.push(new(None));
                clusters.len() - 1
            }
        };
        of_item[place] = own;
        let cluster = &mut clusters[own];
        cluster.sum.iter_mut().zip(item.template).for_each(|(s, v)| *s += v);
        cluster.members.push(place);
        cluster.photos.insert(item.photo);
    }
    for (a, b) in &pairs {
        let (a, b) = (of_item[*a], of_item[*b]);
        if a != b && a != usize::MAX && b != usize::MAX {
            clusters[a].near.insert(b);
            clusters[b].near.insert(a);
        }
    }
    let into = (0..clusters.len()).collect();
    let apart = anchors.iter().map(|anchor| anchor.apart.clone()).collect();
    let mut work = Work { clusters, into, queue: BinaryHeap::new(), anchors, apart, rules };
    for a in 0..work.clusters.len() {
        let near: Vec<usize> = work.clusters[a].near.iter().copied().filter(|b| *b > a).collect();
        near.into_iter().for_each(|b| work.offer(a, b));
    }
    let mut merged = Vec::new();
    while let Some(Pair { pair: Reverse((a, b)), versions, .. }) = work.queue.pop() {
        let current = work.into[a] == a
            && work.into[b] == b
            && (work.clusters[a].version, work.clusters[b].version) == versions;
        if current && work.means(a, b) >= rules.means && work.may_join(a, b) {
            merged.extend(work.join(a, b));
        }
    }
    let mut found = Clusters { merged, ..Clusters::default() };
    for cluster in &mut work.clusters {
        cluster.members.sort_unstable();
        match cluster.anchor {
            Some(group) => {
                let new = cluster.members.iter().filter(|place| items[**place].group.is_none());
                found.joined.extend(new.map(|place| (*place, group)));
            }
            None if cluster.photos.len() >= rules.least_photos => {
                found.born.push(std::mem::take(&mut cluster.members));
            }
            None => {}
        }
    }
    found.joined.sort_unstable();
    found.born.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use phiz_eval::random::Random;

    const DIM: usize = 64;
    const RULES: Rules = Rules { means: 0.6, members: 0.35, neighbours: 0.45, least_photos: 3 };

    fn unit(random: &mut Random, about: &[f32], noise: f64) -> Vec<f32> {
        let each = noise / (DIM as f64).sqrt();
        let v: Vec<f64> = about.iter().map(|c| f64::from(*c) + each * random.normal()).collect();
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter().map(|x| (x / length) as f32).collect()
    }

    struct Faces(Vec<(u64, Vec<f32>)>);

    impl Faces {
        fn items(
            &self,
            group: impl Fn(usize) -> Option<usize>,
            new: impl Fn(usize) -> bool,
        ) -> Vec<Item<'_>> {
            let item = |(place, (photo, template)): (usize, &'_ (u64, Vec<f32>))| Item {
                photo: *photo,
                template: Box::leak(template.clone().into_boxed_slice()),
                group: group(place),
                new: new(place),
            };
            self.0.iter().enumerate().map(item).collect()
        }
    }

    fn run(items: &[Item<'_>], anchors: &[Anchor]) -> Clusters {
        cluster(items, anchors, DIM, RULES, 2, &|_, _| ())
    }

    fn open() -> Anchor {
        Anchor { open: true, apart: BTreeSet::new() }
    }

    /// Five people with four photos each, and ten strangers with one.
    fn people(random: &mut Random) -> (Faces, Vec<usize>) {
        let (mut faces, mut truth) = (Vec::new(), Vec::new());
        for person in 0..15 {
            let center = unit(random, &[0.0; DIM], 1.0);
            for _ in 0..if person < 5 { 4 } else { 1 } {
                truth.push(person);
                faces.push((faces.len() as u64, unit(random, &center, 0.6)));
            }
        }
        (Faces(faces), truth)
    }

    #[test]
    fn people_are_found_and_strangers_stay_alone() {
        for seed in 0..20 {
            let (faces, truth) = people(&mut Random::new(seed));
            let found = run(&faces.items(|_| None, |_| true), &[]);
            assert_eq!(found.born.len(), 5, "seed {seed}: {found:?}");
            for born in &found.born {
                assert!(born.len() == 4 && born.iter().all(|p| truth[*p] == truth[born[0]]), "{found:?}");
            }
            assert!(found.joined.is_empty() && found.merged.is_empty());
        }
    }

    #[test]
    fn two_faces_of_a_photo_are_two_people() {
        let mut random = Random::new(1);
        let center = unit(&mut random, &[0.0; DIM], 1.0);
        // The same photo twice with very similar faces, and two more photos.
        let faces = Faces([0, 0, 1, 2].map(|photo| (photo, unit(&mut random, &center, 0.3))).to_vec());
        let found = run(&faces.items(|_| None, |_| true), &[]);
        assert_eq!(found.born.len(), 1, "{found:?}");
        assert_eq!(found.born[0].iter().filter(|place| **place < 2).count(), 1, "{found:?}");
    }

    #[test]
    fn groups_grow_and_keep_their_places() {
        let mut random = Random::new(2);
        let centers = [0, 1].map(|_| unit(&mut random, &[0.0; DIM], 1.0));
        let faces: Vec<(u64, Vec<f32>)> =
            (0..10).map(|i| (i, unit(&mut random, &centers[i as usize % 2], 0.5))).collect();
        let faces = Faces(faces);
        // The first six are in two groups; four are new.
        let items = faces.items(|place| (place < 6).then_some(place % 2), |place| place >= 6);
        let found = run(&items, &[open(), open()]);
        assert_eq!(found.joined, [(6, 0), (7, 1), (8, 0), (9, 1)]);
        assert!(found.born.is_empty() && found.merged.is_empty());
        // One person in two groups becomes one, unless somebody has said otherwise.
        let items =
            faces.items(|place| Some([0, 1, 2, 1][place % 4]).filter(|_| place < 8), |place| place >= 8);
        assert_eq!(run(&items, &[open(), open(), open()]).merged, [(2, 0)]);
        for anchors in [
            [open(), open(), Anchor { open: false, apart: BTreeSet::new() }],
            [Anchor { open: true, apart: BTreeSet::from([2]) }, open(), open()],
        ] {
            assert_eq!(run(&items, &anchors).merged, [], "somebody has said something");
        }
    }
}
