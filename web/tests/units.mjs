// The parts that decide without a browser: the guided capture and the tracks of the live view.
import { createServer } from 'vite';

const face = (over = {}) => ({
  box: [200, 100, 160, 220], box_share: [0.375, 0.25, 0.25, 0.5], score: 0.9, landmarks: [], quality: 0.8,
  pose: { yaw: 0, pitch: 0, roll: 0 }, ...over,
});
const FINE = { mean: 120, sideways: 10, sharpness: 12 };

export async function units(report) {
  const vite = await createServer({ logLevel: 'error', server: { middlewareMode: true, hmr: false, ws: false }, appType: 'custom', optimizeDeps: { noDiscovery: true } });
  try {
    const { Guide, lightOf, SLOTS } = await vite.ssrLoadModule('/src/lib/guide.ts');
    const { Tracks, overlap } = await vite.ssrLoadModule('/src/lib/tracks.ts');
    const { closest, misfits, missedAt, weakest } = await vite.ssrLoadModule('/src/lib/report.ts');
    const { gate } = await vite.ssrLoadModule('/src/lib/gates.ts');
    const { fpirOf, nearest, oneIn } = await vite.ssrLoadModule('/src/lib/rates.ts');

    report.equal('units: rates as "1 in N", never better than the truth', [0.0123, 1e-5, 1e-7, 0.3, 1, 0].map(oneIn), [80, 100_000, 10_000_000, 3, 1, Infinity]);

    report.equal('units: the step that is nearest to a rate', [1, 0.03, 0.02, 0.003, 0.0005, 1e-9].map(nearest), [0, 0, 1, 2, 2, 3]);
    const eyes = (apart) => ({ landmarks: [[10, 20], [10 + apart, 20], [0, 0], [0, 0], [0, 0]] });
    report.equal('units: why a face cannot be used', [
      gate(face({ ...eyes(60) })), gate(face({ ...eyes(9.6) })), gate(face({ ...eyes(60), quality: 0.2 })), gate(face({ ...eyes(60), quality: 0.2, pose: { yaw: -70, pitch: 0, roll: 0 } })),
    ], [null, { code: 'face_too_small', pixels: 10 }, { code: 'face_too_poor' }, { code: 'turned_away' }]);

    // What is said of one frame, as the first word.
    const cases = [
      ['nobody', [], FINE, 'noFace'],
      ['two alike', [face(), face({ box: [0, 0, 150, 200] })], FINE, 'severalFaces'],
      ['somebody small behind', [face(), face({ box: [0, 0, 30, 40] })], FINE, 'holdStill'],
      ['far away', [face({ box_share: [0.45, 0.4, 0.1, 0.2] })], FINE, 'closer'],
      ['too near', [face({ box_share: [0.1, 0.02, 0.8, 0.95] })], FINE, 'back'],
      ['at the edge', [face({ box_share: [0.7, 0.25, 0.25, 0.5] })], FINE, 'centre'],
      ['dark', [face()], { ...FINE, mean: 30 }, 'dark'],
      ['bright', [face()], { ...FINE, mean: 240 }, 'bright'],
      ['light from one side', [face()], { ...FINE, sideways: 120 }, 'sideLight'],
      ['blurred', [face()], { ...FINE, sharpness: 1 }, 'blurred'],
      ['turned', [face({ pose: { yaw: 25, pitch: 0, roll: 0 } })], FINE, 'lookStraight'],
      ['good', [face()], FINE, 'holdStill'],
    ];
    const wrong = cases.map(([name, faces, light, expected]) => {
      const guide = new Guide();
      guide.see(faces, light, 1000);
      return guide.advice === expected ? null : `${name}: ${guide.advice}, not ${expected}`;
    }).filter(Boolean);
    report.holds(`units: one instruction for each of ${cases.length} frames`, wrong.length === 0, wrong.join('\n'));

    const steady = new Guide();
    const taken = [0, 100, 200, 300, 400].map((ms) => steady.see([face()], FINE, 1000 + ms));
    report.equal('units: the photo is taken after 300 ms', taken, [false, false, false, true, true]);
    const shaky = new Guide();
    const never = [0, 100, 200, 300, 400, 500].map((ms) => shaky.see([face()], ms === 200 ? { ...FINE, sharpness: 1 } : FINE, 1000 + ms));
    report.equal('units: one bad frame begins the 300 ms anew', never, [false, false, false, false, false, false]);

    const flicker = new Guide();
    const said = [];
    for (let ms = 0; ms < 3000; ms += 100) { flicker.see(ms % 200 ? [face()] : [], FINE, ms); said.push(flicker.advice); }
    const turns = said.filter((word, i) => i > 0 && word !== said[i - 1]).length;
    report.holds('units: advice changes at most once a second', turns <= 3, `${turns} changes in 3 s: ${said.join(' ')}`);

    const whole = new Guide();
    const poses = { straight: [2, -5], left: [20, -5], right: [-18, -5], tilt: [2, -16], free: [0, -5] };
    const order = [];
    let now = 0;
    while (whole.slot && now < 20_000) {
      const slot = whole.slot;
      const [yaw, pitch] = poses[slot];
      if (whole.see([face({ pose: { yaw, pitch, roll: 0 } })], FINE, now)) { order.push(slot); whole.took(slot, now); }
      now += 125;
    }
    report.equal('units: five slots in their order', order, [...SLOTS]);
    report.holds('units: in about 15 seconds', now <= 15_000, `${now} ms`);
    whole.retake('left');
    report.equal('units: one slot can be taken again', whole.slot, 'left');

    const pixels = new Uint8ClampedArray(64 * 64 * 4);
    for (let i = 0; i < 64 * 64; i++) { const v = i % 64 < 32 ? 40 : 200; pixels.set([v, v, v, 255], i * 4); }
    const light = lightOf(pixels, 64, 64, [8, 8, 48, 48]);
    report.holds('units: light from one side is seen', Math.abs(light.mean - 120) < 8 && light.sideways > 140, JSON.stringify(light));

    const seen = (decision, id, box = [0.4, 0.3, 0.2, 0.3]) => ({ ...face({ box_share: box }), decision, person: null, threshold: 0.3, tied: 0, denied: [], candidates: id ? [{ id, person: id, similarity: 0.6, fmr: 0, fpir: 1e-5 }] : [] });
    const tracks = new Tracks();
    const kinds = [];
    for (const [i, vote] of [['match', 'p1'], ['match', 'p1'], ['match', 'p1'], ['unknown'], ['match', 'p2'], ['match', 'p1'], ['unknown'], ['unknown']].entries()) {
      tracks.see([seen(...vote)], i * 150, 150);
      const [{ verdict }] = tracks.at(i * 150);
      kinds.push(verdict.kind === 'name' ? verdict.id : verdict.kind);
    }
    report.equal('units: a name stands until as many looks contradict it', kinds, ['deciding', 'deciding', 'p1', 'p1', 'p1', 'p1', 'p1', 'p1']);
    const moving = new Tracks();
    moving.see([seen('unknown', null, [0.2, 0.3, 0.2, 0.3])], 0, 100);
    moving.see([seen('unknown', null, [0.26, 0.3, 0.2, 0.3])], 100, 100);
    const where = [100, 150, 200].map((ms) => moving.at(ms)[0].shown[0]);
    report.holds('units: a box moves, it does not jump', where[0] < where[1] && where[1] < where[2] && Math.abs(where[0] - 0.2) < 1e-6 && Math.abs(where[2] - 0.26) < 1e-6, where.join(' '));
    report.equal('units: it stays the same track', moving.at(200).map((track) => track.id), [1]);
    report.equal('units: who is gone is forgotten', moving.at(2000).length, 0);
    report.holds('units: overlap divides by the true union', Math.abs(overlap([0, 0, 2, 2], [1, 0, 2, 2]) - 1 / 3) < 1e-9);
    report.holds('units: the rate among many', Math.abs(fpirOf(0.001, 100) - (1 - 0.999 ** 100)) < 1e-12 && fpirOf(1e-9, 0) === 0);

    const told = { sections: [
      { id: 'gallery', title: '', figures: [{ id: 'fnir_at_1e-2', name: '', value: 0.06, interval: { low: 0.02, high: 0.12 } }],
        tables: [{ title: '', head: ['face', 'own person', 'somebody else', 'similarity'], rows: [['Ada, of p3 p1, face f2', '0.2', 'Ben p2', '0.4']] }] },
      { id: 'verification', title: '', figures: [], tables: [
        { title: 'People who look alike', head: ['photo', 'photo', 'similarity'], rows: [['Ada p1, face f2', 'Ben p2, face f9', '0.41']] },
        { title: 'Least similar pairs of one person', head: ['photo', 'photo', 'similarity'], rows: [['Ben p2, face f8', 'Ben p2, face f9', '0.38']] }] },
    ] };
    report.equal('units: a report in words', [missedAt(told, 0.01).value, misfits(told)[0].face, closest(told).other.name, weakest(told).one.face, weakest(told).similarity, closest(null), weakest(null), misfits(null)],
      [0.06, { name: 'Ada, of p3', person: 'p1', face: 'f2' }, 'Ben', 'f8', 0.38, null, null, []]);
  } finally {
    await vite.close();
  }
}
