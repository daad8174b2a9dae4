#!/usr/bin/env python3
"""Reference values for tests/golden.rs, by programs that share nothing with ours.

    pip install scikit-learn pycocotools && python make.py

writes scores.json, labels.json and boxes.json beside itself. Figures come from scikit-learn
(ROC, AUC, average precision, precision, recall, F1, accuracy), from pycocotools (COCO), and for WIDER FACE
from the arithmetic of its official evaluation written out below in numpy: loops and all, as the script
that everybody runs has it. Set names say why each is there.
"""
import contextlib
import io
import json
import pathlib
import warnings

import numpy as np
from sklearn import metrics

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent
RATES = [0.5, 0.1, 0.03, 0.01, 0.001]


def number(x):
    x = float(x)
    return x if np.isfinite(x) else None


def write(name, data):
    (HERE / name).write_text(json.dumps(data, indent=None, separators=(",", ":")) + "\n")


# ---------------------------------------------------------------- scores

def score_sets():
    rng = np.random.default_rng(20261124)
    yield "empty", [], []
    yield "one genuine pair", [0.3], [1]
    yield "one impostor pair", [0.3], [0]
    yield "one of each, right", [0.7, 0.2], [1, 0]
    yield "one of each, wrong", [0.2, 0.7], [1, 0]
    yield "one of each, tied", [0.5, 0.5], [1, 0]
    yield "only genuine", rng.normal(size=20), np.ones(20)
    yield "only impostors", rng.normal(size=20), np.zeros(20)
    yield "all tied", np.full(30, 0.25), rng.integers(0, 2, 30)
    yield "perfect", np.r_[rng.uniform(0.6, 1, 40), rng.uniform(-1, 0.5, 60)], np.r_[np.ones(40), np.zeros(60)]
    yield "swapped", np.r_[rng.uniform(-1, 0.5, 40), rng.uniform(0.6, 1, 60)], np.r_[np.ones(40), np.zeros(60)]
    yield "holds NaN", [0.1, float("nan"), 0.3], [0, 1, 1]
    yield "holds infinity", [0.1, float("inf"), 0.3], [0, 1, 1]
    yield "negative zero ties zero", [0.0, -0.0, 0.5, -0.5], [1, 0, 1, 0]
    yield "neighbouring floats", [0.5, np.nextafter(0.5, 1), np.nextafter(0.5, 0), 0.5], [1, 0, 1, 0]
    yield "huge and tiny scores", [1e300, -1e300, 1e-300, 0.0, 5e-324], [1, 0, 1, 0, 0]
    yield "ties in both kinds", rng.integers(0, 4, 200) / 4, rng.integers(0, 2, 200)
    yield "rounded to two digits", np.round(rng.normal(size=400) / 4 + np.tile([0.3, 0], 200), 2), np.tile([1, 0], 200)
    yield "one genuine among many", rng.normal(size=1001), np.r_[1, np.zeros(1000)]
    yield "one impostor among many", rng.normal(size=1001), np.r_[0, np.ones(1000)]
    for n, share, apart in [(50, 0.5, 1), (500, 0.1, 2), (1500, 0.02, 3), (1500, 0.9, 0.5), (999, 1 / 3, 0)]:
        same = (rng.uniform(size=n) < share).astype(int)
        same[:2] = [0, 1]
        yield f"normal, {n} pairs, {apart} apart", rng.normal(size=n) + apart * same, same
    same = np.tile([1, 0], 300)
    yield "heavy tails", rng.standard_t(1, size=600) + 2 * same, same
    yield "single precision", (rng.normal(size=600) / 4 + 0.5 * same).astype(np.float32).astype(float), same


def some(points):
    """Enough points to catch any slip, few enough to keep the file small."""
    return points[:: max(1, len(points) // 60)]


def eer(fmr, fnmr):
    """Crossing of two polygons by linear interpolation; fmr rises, fnmr falls."""
    k = int(np.argmax(fmr >= fnmr))
    if k == 0:
        return fmr[0]
    d0, d1 = fmr[k - 1] - fnmr[k - 1], fmr[k] - fnmr[k]
    return fmr[k - 1] + d0 / (d0 - d1) * (fmr[k] - fmr[k - 1])


def scores():
    rows = []
    for name, score, same in score_sets():
        score, same = np.asarray(score, float), np.asarray(same, int)
        row = {"name": name, "scores": [x if np.isfinite(x) else str(x) for x in score.tolist()], "same": same.tolist()}
        rows.append(row)
        row["valid"] = bool(len(score) and np.isfinite(score).all())
        if not row["valid"]:
            continue
        both = same.any() and not same.all()
        row["auc"] = number(metrics.roc_auc_score(same, score)) if both else None
        row["ap"] = number(metrics.average_precision_score(same, score)) if same.any() else None
        if both:
            fpr, tpr, thresholds = metrics.roc_curve(same, score, drop_intermediate=False)
            row["roc"] = some([[number(t), a, b] for t, a, b in zip(thresholds, fpr, tpr)])
            row["eer"] = number(eer(fpr, 1 - tpr))
            row["tar"] = [[r, float(tpr[fpr <= r].max())] for r in RATES]
            det_fpr, det_fnr, det_t = metrics.det_curve(same, score)
            row["det"] = some([list(map(number, p)) for p in zip(det_t, det_fpr, det_fnr)])
        cuts = np.unique(score)[:: max(1, len(np.unique(score)) // 8)]
        row["at"] = []
        for t in cuts:
            said = (score >= t).astype(int)
            row["at"].append({
                "threshold": float(t),
                "accuracy": float(metrics.accuracy_score(same, said)),
                "precision": float(metrics.precision_score(same, said)),
                "recall": float(metrics.recall_score(same, said)) if same.any() else None,
            })
        values = np.r_[np.unique(score), np.inf]
        row["best_accuracy"] = max(float(((score >= t) == same).mean()) for t in values)
    write("scores.json", rows)


# ---------------------------------------------------------------- labels

def labels():
    rng = np.random.default_rng(7)
    sets = [
        ("all right", [0, 1, 2], [0, 1, 2]),
        ("all wrong", [0, 1, 2], [1, 2, 0]),
        ("one class", [3, 3, 3], [3, 3, 3]),
        ("never predicted", [0, 0, 1], [0, 0, 0]),
        ("never true", [0, 0, 0], [0, 1, 0]),
        ("disjoint", [0, 0], [1, 1]),
    ]
    for n, k in [(40, 2), (300, 7), (300, 150), (1000, 30)]:
        truth = rng.integers(0, k, n)
        said = np.where(rng.uniform(size=n) < 0.7, truth, rng.integers(0, k, n))
        sets.append((f"{n} labels of {k}", truth, said))
    rows = []
    for name, truth, said in sets:
        row = {"name": name, "truth": list(map(int, truth)), "predicted": list(map(int, said))}
        row["accuracy"] = float(metrics.accuracy_score(truth, said))
        row["confusion"] = metrics.confusion_matrix(truth, said).tolist()
        for key, zero in [("zero", 0), ("skip", np.nan)]:
            macro = metrics.precision_recall_fscore_support(truth, said, average="macro", zero_division=zero)
            row[key] = [number(x) for x in macro[:3]]
        row["micro"] = [number(x) for x in metrics.precision_recall_fscore_support(truth, said, average="micro")[:3]]
        rows.append(row)
    write("labels.json", rows)


# ---------------------------------------------------------------- boxes

def scene_sets():
    rng = np.random.default_rng(11)
    face = [10.0, 10.0, 40.0, 50.0]

    def random(photos, faces, noise, quantum=None, small=False):
        out = []
        for _ in range(photos):
            n = int(rng.integers(0, faces + 1))
            size = rng.uniform(8, 160 if not small else 30, n)
            truth = np.c_[rng.uniform(0, 500, (n, 2)), size, size * rng.uniform(1, 1.4, n)]
            flags = rng.uniform(size=n) < 0.2
            kept = truth[rng.uniform(size=n) < 0.85]
            found = kept + rng.normal(size=kept.shape) * noise * kept[:, 2:3]
            twice = found[rng.uniform(size=len(found)) < 0.2] + 1.5
            k = int(rng.integers(0, 4))
            alarms = np.c_[rng.uniform(0, 500, (k, 2)), rng.uniform(10, 120, (k, 2))]
            boxes = np.r_[found, twice, alarms]
            boxes[:, 2:] = np.maximum(boxes[:, 2:], 1)
            score = np.r_[rng.beta(4, 2, len(found)), rng.beta(2, 3, len(twice)), rng.beta(1, 3, k)]
            if quantum:
                score = np.round(score / quantum) * quantum
            order = np.argsort(-score, kind="stable")
            out.append({"truth": truth.round(3).tolist(), "ignore": flags.tolist(),
                        "found": np.c_[boxes, score][order].round(6).tolist()})
        return out

    yield "one found, one alarm", [{"truth": [face], "ignore": [False], "found": [face + [0.9], [200, 200, 30, 30, 0.4]]}]
    yield "alarm before the hit", [{"truth": [face], "ignore": [False], "found": [[200, 200, 30, 30, 0.9], face + [0.4]]}]
    yield "found twice", [{"truth": [face], "ignore": [False], "found": [face + [0.9], face + [0.8], [99, 99, 9, 9, 0.1]]}]
    yield "an ignored face, found first", [
        {"truth": [face, [100, 100, 20, 20]], "ignore": [False, True],
         "found": [[100, 100, 20, 20, 0.95], face + [0.9], [100, 100, 20, 20, 0.2]]}]
    yield "a photo without findings", [
        {"truth": [face], "ignore": [False], "found": []},
        {"truth": [face], "ignore": [False], "found": [face + [0.5], [1, 1, 5, 5, 0.4]]}]
    yield "a photo without faces", [
        {"truth": [], "ignore": [], "found": [face + [0.99]]},
        {"truth": [face], "ignore": [False], "found": [face + [0.5], [1, 1, 5, 5, 0.4]]}]
    yield "nothing right", [{"truth": [face], "ignore": [False], "found": [[300, 300, 9, 9, 0.9], [1, 1, 5, 5, 0.4]]}]
    yield "random", random(40, 6, 0.05)
    yield "random, coarse scores", random(40, 6, 0.05, quantum=0.25)
    yield "random, far off", random(40, 5, 0.2)
    yield "random, small", random(30, 12, 0.1, small=True)
    yield "random, many", random(15, 30, 0.08)


def wider_ap(scenes, wanted=0.5, count=1000):
    """The official evaluation's steps: stretch scores, judge photo by photo, sum over 1,000 thresholds."""
    every = [box[4] for s in scenes for box in s["found"]]
    low, high = min(every), max(every)
    sums, faces = np.zeros((count, 2)), 0
    for s in scenes:
        keep = np.array([not i for i in s["ignore"]], int)
        faces += int(keep.sum())
        if not s["truth"] or not s["found"]:
            continue
        gt, pred = np.array(s["truth"], float), np.array(s["found"], float)
        pred[:, 4] = (pred[:, 4] - low) / (high - low)
        gt[:, 2:] += gt[:, :2]
        pred[:, 2:4] += pred[:, :2]
        state, proposal, recalled = np.zeros(len(gt)), np.ones(len(pred)), np.zeros(len(pred))
        for h, p in enumerate(pred):
            w = np.minimum(p[2], gt[:, 2]) - np.maximum(p[0], gt[:, 0]) + 1
            d = np.minimum(p[3], gt[:, 3]) - np.maximum(p[1], gt[:, 1]) + 1
            inter = np.where((w > 0) & (d > 0), w * d, 0)
            area = (p[2] - p[0] + 1) * (p[3] - p[1] + 1)
            ious = inter / (area + (gt[:, 2] - gt[:, 0] + 1) * (gt[:, 3] - gt[:, 1] + 1) - inter)
            best = int(ious.argmax())
            if ious[best] >= wanted:
                if keep[best] == 0:
                    state[best], proposal[h] = -1, -1
                elif state[best] == 0:
                    state[best] = 1
            recalled[h] = (state == 1).sum()
        for t in range(count):
            above = np.where(pred[:, 4] >= 1 - (t + 1) / count)[0]
            if len(above):
                sums[t] += [(proposal[: above[-1] + 1] == 1).sum(), recalled[above[-1]]]
    precision = np.divide(sums[:, 1], sums[:, 0], out=np.zeros(count), where=sums[:, 0] > 0)
    recall = sums[:, 1] / faces
    r, p = np.r_[0, recall, 1], np.r_[0, precision, 0]
    p = np.maximum.accumulate(p[::-1])[::-1]
    step = np.where(r[1:] != r[:-1])[0]
    return float(((r[step + 1] - r[step]) * p[step + 1]).sum())


def coco_figures(scenes):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    gt, dt = [], []
    for k, s in enumerate(scenes):
        for box, ignore in zip(s["truth"], s["ignore"]):
            # pycocotools reads ignore from iscrowd alone.
            gt.append({"id": len(gt) + 1, "image_id": k, "category_id": 1, "bbox": box, "area": box[2] * box[3],
                       "iscrowd": int(ignore)})
        dt += [{"image_id": k, "category_id": 1, "bbox": b[:4], "score": b[4]} for b in s["found"]]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": [{"id": k} for k in range(len(scenes))], "annotations": gt,
                        "categories": [{"id": 1, "name": "face"}], "info": {}}
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(dt), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [None if v < 0 else float(v) for v in run.stats]


def boxes():
    rows = [{"name": n, "scenes": s, "wider": wider_ap(s), "coco": coco_figures(s)} for n, s in scene_sets()]
    write("boxes.json", rows)


if __name__ == "__main__":
    scores()
    labels()
    boxes()
