"""Golden values for phiz-train, by PyTorch in double precision: `python make.py` writes the JSON files beside it.

Every operation of the `Backend` trait, every loss, small networks and the optimisers, with values and gradients.
Formulas are written as their papers have them (with arc cosines, one-hot rows, torch.optim), not as our code does.
Made with torch 2.11.
"""
import json, math, os
import torch
import torch.nn.functional as F

torch.manual_seed(20251124)
HERE = os.path.dirname(os.path.abspath(__file__))
DTYPE = torch.float64


def rand(*shape, low=-1.0, high=1.0):
    """Numbers of three decimals: exactly the same after a trip through JSON and f32 rounding is below any tolerance."""
    return (torch.rand(*shape, dtype=DTYPE) * (high - low) + low).mul(1000).round().div(1000)


def plain(t):
    return {"shape": list(t.shape), "data": [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]}


def differentiate(function, inputs):
    leaves = [x.clone().requires_grad_(True) for x in inputs]
    out = function(*leaves)
    weight = rand(*out.shape)
    (out * weight).sum().backward()
    zero = lambda x: torch.zeros_like(x)
    return {
        "inputs": [plain(x) for x in inputs],
        "output": plain(out),
        "weight": plain(weight),
        "gradients": [plain(x.grad if x.grad is not None else zero(x)) for x in leaves],
    }


def ops():
    cases = []

    def case(name, op, inputs, function, **args):
        cases.append({"name": name, "op": op, "args": args, **differentiate(function, inputs)})

    def conv(name, x, w, bias=None, stride=1, groups=1, padded=True):
        pad = w.shape[2] // 2 if padded else 0
        inputs = [x, w] + ([bias] if bias is not None else [])
        run = lambda x, w, b=None: F.conv2d(x, w, b, stride=stride, padding=pad, groups=groups)
        case(name, "conv", inputs, run, stride=stride, groups=groups, padded=padded)

    conv("3x3", rand(2, 3, 7, 6), rand(4, 3, 3, 3))
    conv("3x3 with bias", rand(2, 3, 5, 5), rand(4, 3, 3, 3), rand(4))
    conv("3x3 stride 2, odd sides", rand(3, 2, 7, 5), rand(3, 2, 3, 3), stride=2)
    conv("3x3 stride 2, even sides", rand(2, 3, 8, 6), rand(2, 3, 3, 3), stride=2)
    conv("1x1", rand(2, 5, 4, 3), rand(6, 5, 1, 1), rand(6))
    conv("1x1 stride 2", rand(2, 3, 5, 4), rand(2, 3, 1, 1), stride=2)
    conv("5x5", rand(1, 2, 6, 9), rand(2, 2, 5, 5))
    conv("7x7 larger than the map", rand(1, 1, 3, 4), rand(2, 1, 7, 7))
    conv("two groups", rand(2, 4, 5, 4), rand(6, 2, 3, 3), groups=2)
    conv("two groups stride 2", rand(2, 4, 6, 5), rand(2, 2, 3, 3), groups=2, stride=2)
    conv("depthwise", rand(2, 4, 5, 7), rand(4, 1, 3, 3), groups=4)
    conv("depthwise stride 2", rand(2, 3, 6, 5), rand(3, 1, 3, 3), groups=3, stride=2)
    conv("depthwise over the whole map", rand(2, 3, 4, 4), rand(3, 1, 4, 4), groups=3, padded=False)
    conv("unpadded", rand(2, 2, 6, 5), rand(3, 2, 3, 3), padded=False)
    conv("wide map", rand(1, 2, 3, 600), rand(2, 2, 3, 3))
    conv("many pictures", rand(11, 2, 3, 3), rand(3, 2, 3, 3))

    one = [rand(2, 3, 4)]
    for name, function in [("relu", torch.relu), ("sigmoid", torch.sigmoid), ("exp", torch.exp), ("abs", torch.abs)]:
        case(name, name, one, function)
    positive = [rand(2, 3, 4, low=0.1, high=2.0)]
    case("ln", "ln", positive, torch.log)
    case("sqrt", "sqrt", positive, torch.sqrt)
    case("clamp", "clamp", one, lambda x: x.clamp(-0.5, 0.25), low=-0.5, high=0.25)
    case("affine", "affine", one, lambda x: x * -1.5 + 0.25, scale=-1.5, offset=0.25)
    for name, function in [("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("minimum", torch.minimum),
                           ("maximum", torch.maximum)]:
        case(name, name, [rand(3, 4), rand(3, 4)], function)
        case(name + " broadcast", name, [rand(2, 3, 4, 5), rand(2, 1, 4, 1)], function)
    case("add a row", "add", [rand(3, 4), rand(4)], torch.add)
    case("maximum of equals", "maximum", [torch.tensor([[1.0, 2.0]], dtype=DTYPE)] * 2, torch.maximum)
    case("div", "div", [rand(3, 4), rand(3, 1, low=0.5, high=2.0)], torch.div)
    case("matmul_transposed", "matmul_transposed", [rand(3, 5), rand(4, 5)], lambda a, b: a @ b.T)
    case("a product with itself", "matmul_self", [rand(3, 5)], lambda a: a @ a.T)
    with torch.random.fork_rng():  # later cases leave the earlier ones as they were
        case("transposed", "transposed", [rand(3, 5)], lambda x: x.T)
        case("reshape", "reshape", [rand(2, 3, 2, 2)], lambda x: x.reshape(2, 12), shape=[2, 12])
    case("sum_axis 0", "sum_axis", [rand(3, 4)], lambda x: x.sum(0, keepdim=True), axis=0)
    case("sum_axis 1", "sum_axis", [rand(3, 4, 2)], lambda x: x.sum(1, keepdim=True), axis=1)
    case("sum", "sum", [rand(3, 4)], lambda x: x.sum().reshape(1))
    case("global_pool", "global_pool", [rand(2, 3, 4, 5)], lambda x: x.mean((2, 3)))
    case("upsample2", "upsample2", [rand(2, 3, 2, 3)], lambda x: F.interpolate(x, scale_factor=2, mode="nearest"))
    case("narrow", "narrow", [rand(2, 5, 3)], lambda x: x.narrow(1, 1, 3), axis=1, start=1, length=3)
    case("log_softmax", "log_softmax", [rand(3, 5, low=-9, high=9)], lambda x: F.log_softmax(x, -1))

    for name, shape in [("normalise", (4, 3, 2, 3)), ("normalise a large map", (2, 2, 9, 7))]:
        x, scale, shift = rand(*shape, low=-1, high=3), rand(shape[1]), rand(shape[1])
        for training in (True, False):
            mean, var = rand(shape[1]), rand(shape[1], low=0.5, high=2)
            m, v = mean.clone(), var.clone()
            # Run first for the running statistics, then on copies for the gradients.
            F.batch_norm(x, m, v, scale, shift, training, 0.1, 1e-5)
            run = lambda x, a, b: F.batch_norm(x, mean.clone(), var.clone(), a, b, training, 0.1, 1e-5)
            case(f"{name}, {'training' if training else 'running'}", "normalise", [x, scale, shift], run,
                 training=training, mean=plain(mean), var=plain(var), mean_after=plain(m), var_after=plain(v))
    return cases


def unit(x):
    return x / x.norm(dim=1, keepdim=True)


def cross_entropy(logits, labels):
    rows = [i for i, label in enumerate(labels) if label is not None]
    if not rows:
        return logits.sum() * 0
    return F.cross_entropy(logits[rows], torch.tensor([labels[i] for i in rows]))


def margin_logits(kind, cosine, labels, m, s, lengths, state):
    one_hot = torch.zeros_like(cosine)
    for i, label in enumerate(labels):
        if label is not None:
            one_hot[i, label] = 1
    if kind == "normface":
        return s * cosine
    if kind == "cosface":
        return s * (cosine - m * one_hot)
    theta = torch.acos(cosine.clamp(-1 + 1e-12, 1 - 1e-12))
    if kind == "arcface":
        own = torch.where(theta + m <= math.pi, torch.cos(theta + m), cosine - m * math.sin(m))
        return s * torch.where(one_hot > 0, own, cosine)
    assert kind == "adaface"
    safe = lengths.detach().clamp(0.001, 100)
    known = safe[[i for i, label in enumerate(labels) if label is not None]]
    mean = known.mean() * 0.01 + 0.99 * state[0]
    std = known.std() * 0.01 + 0.99 * state[1]
    quality = ((safe - mean) / (std + 1e-3) * 0.333).clamp(-1, 1)[:, None]
    moved = (theta - m * quality * one_hot).clamp(1e-3, math.pi - 1e-3)
    own = moved.cos() - (m + m * quality)
    return s * torch.where(one_hot > 0, own, cosine), (mean, std)


def losses():
    cases = []
    x, target = rand(4, 6), rand(4, 6)
    cases.append({"name": "cosine distillation", "loss": "distil",
                  **differentiate(lambda x, t: (1 - (unit(x) * unit(t)).sum(1)).mean().reshape(1), [x, target])})
    relations = lambda x, t: ((unit(x) @ unit(x).T - unit(t) @ unit(t).T) ** 2).mean().reshape(1)
    cases.append({"name": "relations", "loss": "relations", **differentiate(relations, [x, target])})
    with torch.random.fork_rng():  # A later case, which leaves the numbers of the others as they were.
        maps = lambda x, t: (1 - F.cosine_similarity(x, t, dim=1)).mean().reshape(1)
        cases.append({"name": "maps", "loss": "maps", **differentiate(maps, [rand(2, 5, 3, 3), rand(2, 5, 3, 3)])})

    labels = [2, None, 0, 1, 2]
    x, centres = rand(5, 6, low=-4, high=4), rand(3, 6)
    bias = rand(3)
    cases.append({"name": "softmax", "loss": "margin", "kind": "softmax", "margin": 0, "scale": 1, "centres": 1,
                  "labels": labels,
                  **differentiate(lambda x, w, b: cross_entropy(x @ w.T + b, labels).reshape(1), [x, centres, bias])})
    # One row points away from its own centre, so that ArcFace's far branch and AdaFace's ends are entered.
    x[0] = -centres[2] * 3 + 0.01
    x[2] = centres[0] * 5
    x[2, 0] += 0.05
    for kind in ["normface", "cosface", "arcface", "adaface"]:
        for name, count, m, s in [("", 1, 0.4, 8.0), (" with sub-centres", 3, 0.3, 16.0)]:
            w = rand(3 * count, 6)
            w[:3] = centres
            state = (torch.tensor(6.0, dtype=DTYPE), torch.tensor(1.5, dtype=DTYPE))
            after = {}

            def run(x, w):
                all_cosines = (unit(x) @ unit(w).T).reshape(len(labels), count, 3)
                cosine = all_cosines.max(dim=1).values
                logits = margin_logits(kind, cosine, labels, m, s, x.norm(dim=1), state)
                if kind == "adaface":
                    logits, moved = logits
                    after["lengths_after"] = [float(v) for v in moved]
                return cross_entropy(logits, labels).reshape(1)

            cases.append({"name": kind + name, "loss": "margin", "kind": kind, "margin": m, "scale": s, "centres": count,
                          "labels": labels, "lengths": [float(v) for v in state],
                          **differentiate(run, [x, w]), **after})
    nobody = [None] * 5
    cases.append({"name": "nobody is known", "loss": "margin", "kind": "cosface", "margin": 0.4, "scale": 8,
                  "centres": 1, "labels": nobody,
                  **differentiate(lambda x, w: (x.sum() * 0 + w.sum() * 0).reshape(1), [x, centres])})
    cases.append(detector("overlap", 1))
    with torch.random.fork_rng():  # later cases leave the earlier files as they were
        cases.append(detector("root", 2))
    return cases


def detector(rule, background):
    n, h, w = 2, 3, 4
    positive = (torch.rand(n, 1, h, w) < 0.4).to(DTYPE)
    counts = ((torch.rand(n, 1, h, w) < 0.8).to(DTYPE) + positive).clamp(max=1)
    wanted = torch.where(positive > 0, rand(n, 4, h, w, low=0.3, high=2), torch.ones(n, 4, h, w, dtype=DTYPE))
    points, known = rand(n, 10, h, w), positive * rand(n, 1, h, w, low=0.2, high=1)

    def box(sides):
        """Corners of boxes around a cell at the origin."""
        l, t, r, b = sides.unbind(1)
        return torch.stack([-l, -t, r, b], -1)

    def run(score, sides, landmarks):
        a, b = box(sides), box(wanted)
        area = lambda c: (c[..., 2] - c[..., 0]) * (c[..., 3] - c[..., 1])
        both = torch.cat([torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])], -1)
        hull = torch.cat([torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])], -1)
        union = area(a) + area(b) - area(both)
        iou = area(both) / union
        giou = iou - (area(hull) - union) / area(hull)
        mask = positive[:, 0] > 0
        sides_loss = (1 - giou)[mask].sum()
        reached = iou.detach() if rule == "overlap" else iou.detach().clamp(1e-6, 1) ** 0.5
        quality = torch.where(mask, reached, torch.zeros_like(iou))[:, None]
        focal = F.binary_cross_entropy(score, quality, reduction="none") * (quality - score).abs() ** 2
        score_loss = (focal * counts * torch.where(positive > 0, 1, background)).sum()
        points_loss = ((landmarks - points).abs() * known).sum()
        return torch.stack([score_loss, sides_loss, points_loss])

    inputs = [rand(n, 1, h, w, low=0.05, high=0.95), rand(n, 4, h, w, low=0.2, high=2.5), rand(n, 10, h, w)]
    flat = lambda t: plain(t)["data"]
    targets = {"shape": [n, h, w], "positive": flat(positive), "counts": flat(counts), "sides": flat(wanted),
               "points": flat(points), "point_weight": flat(known)}
    return {"name": f"detector, {rule}", "loss": "detector", "quality": rule, "background": background, "targets": targets, **differentiate(run, inputs)}


def run_network(net, p, image, training):
    """An interpreter of the architecture's description, apart from ours."""
    values, stats = [], {}
    for node in net["nodes"]:
        name, op = node["name"], node["op"]
        x = [values[i] for i in node["inputs"]]
        act = lambda y: torch.relu(y) if node.get("act") == "relu" else y
        if op == "input":
            y = image
        elif op == "conv":
            y = F.conv2d(x[0], p[f"{name}.weight"], None if node["norm"] else p[f"{name}.bias"], node["stride"],
                         node["kernel"] // 2, groups=node["groups"])
            if node["norm"]:
                m, v = p[f"{name}.mean"].detach().clone(), p[f"{name}.var"].detach().clone()
                y = F.batch_norm(y, m, v, p[f"{name}.scale"], p[f"{name}.shift"], training, 0.1, 1e-5)
                stats[f"{name}.mean"], stats[f"{name}.var"] = m, v
            y = act(y)
        elif op == "add":
            y = act(x[0] + x[1])
        elif op == "upsample2":
            y = F.interpolate(x[0], scale_factor=2, mode="nearest")
        elif op == "global_pool":
            y = x[0].mean((2, 3))
        elif op == "global_depthwise":
            k = node["kernel"]
            y = (x[0] * p[f"{name}.weight"][:, 0]).sum((2, 3)) if x[0].shape[2:] == (k, k) else x[0].mean((2, 3))
        elif op == "linear":
            y = F.linear(x[0], p[f"{name}.weight"], p[f"{name}.bias"])
        elif op == "sigmoid":
            y = torch.sigmoid(x[0])
        elif op == "exp":
            y = torch.exp(x[0].clamp(-6, 6))
        values.append(y)
    return [values[o["node"]] for o in net["outputs"]], stats


def conv_node(name, inputs, out, kernel=3, stride=1, groups=1, norm=True, act="relu"):
    return {"name": name, "op": "conv", "out": out, "kernel": kernel, "stride": stride, "groups": groups, "norm": norm,
            "act": act, "inputs": inputs}


def node(name, op, inputs, **more):
    return {"name": name, "op": op, "inputs": inputs, **more}


def networks():
    image = node("image", "input", [], channels=3)
    dense = {"name": "dense", "nodes": [
        image, conv_node("stem", [0], 4, stride=2), conv_node("a", [1], 4), conv_node("b", [2], 4, act="none"),
        node("sum", "add", [1, 3], act="relu"), node("pool", "global_pool", [4]), node("out", "linear", [5], out=5)],
        "outputs": [{"name": "template", "node": 6}]}
    mobile = {"name": "mobile", "nodes": [
        image, conv_node("stem", [0], 6, stride=2), conv_node("depthwise", [1], 6, stride=2, groups=6),
        conv_node("mix", [2], 8, kernel=1, act="none"), node("whole", "global_depthwise", [3], kernel=2),
        node("out", "linear", [4], out=4)], "outputs": [{"name": "template", "node": 5}]}
    small = json.loads(json.dumps(mobile))
    small["nodes"][4]["kernel"] = 7
    small["name"] = "mobile at another size"
    pyramid = {"name": "pyramid", "nodes": [
        image, conv_node("fine", [0], 4, stride=2), conv_node("coarse", [1], 4, stride=2),
        node("up", "upsample2", [2]), node("sum", "add", [1, 3], act="none"),
        conv_node("score", [4], 1, kernel=1, norm=False, act="none"), node("sigmoid", "sigmoid", [5]),
        conv_node("box", [4], 4, kernel=1, norm=False, act="none"), node("exp", "exp", [7])],
        "outputs": [{"name": "score", "node": 6}, {"name": "box", "node": 8}]}
    cases = []
    for net in [dense, mobile, small, pyramid]:
        p, channels = {}, []
        for n in net["nodes"]:
            c = channels[n["inputs"][0]] if n["inputs"] else n["channels"]
            if n["op"] == "conv":
                p[n["name"] + ".weight"] = rand(n["out"], c // n["groups"], n["kernel"], n["kernel"])
                if n["norm"]:
                    p[n["name"] + ".scale"], p[n["name"] + ".shift"] = rand(n["out"], low=0.5, high=1.5), rand(n["out"])
                    p[n["name"] + ".mean"], p[n["name"] + ".var"] = rand(n["out"]), rand(n["out"], low=0.5, high=2)
                else:
                    p[n["name"] + ".bias"] = rand(n["out"])
                c = n["out"]
            elif n["op"] == "linear":
                p[n["name"] + ".weight"], p[n["name"] + ".bias"] = rand(n["out"], c), rand(n["out"])
                c = n["out"]
            elif n["op"] == "global_depthwise":
                p[n["name"] + ".weight"] = rand(c, 1, n["kernel"], n["kernel"])
            channels.append(c)
        pictures = torch.randint(0, 256, (3, 8, 8, 3))
        picture = ((pictures.to(DTYPE) - 127.5) / 127.5).permute(0, 3, 1, 2)
        for t in p.values():
            t.requires_grad_(True)
        outputs, stats = run_network(net, p, picture, True)
        weights = [rand(*o.shape) for o in outputs]
        sum((o * w).sum() for o, w in zip(outputs, weights)).backward()
        with torch.no_grad():
            running, _ = run_network(net, p, picture, False)
        cases.append({
            "architecture": net, "pictures": pictures.flatten().tolist(), "shape": [3, 8, 8],
            "weights": {k: plain(v) for k, v in p.items()}, "output_weights": [plain(w) for w in weights],
            "training": [plain(o) for o in outputs], "running": [plain(o) for o in running],
            "gradients": {k: plain(v.grad) for k, v in p.items() if v.grad is not None},
            "statistics": {k: plain(v) for k, v in stats.items()}})
    return cases


def optimisers():
    cases = []
    rates = [0.1, 0.05, 0.2, 0.01]
    for name, rule, decay, clip in [
            ("adamw", {"kind": "adamw", "first": 0.9, "second": 0.99}, 0.05, 100.0),
            ("adamw, clipped", {"kind": "adamw", "first": 0.8, "second": 0.999}, 0.0, 0.5),
            ("sgd", {"kind": "sgd", "momentum": 0.9}, 0.01, 100.0),
            ("sgd without momentum, clipped", {"kind": "sgd", "momentum": 0.0}, 0.1, 0.5)]:
        p = {"a.weight": rand(2, 3), "a.shift": rand(2), "a.bias": rand(2)}
        start = {k: plain(v) for k, v in p.items()}
        leaves = {k: v.clone().requires_grad_(True) for k, v in p.items()}
        groups = [{"params": [leaves["a.weight"]], "weight_decay": decay},
                  {"params": [leaves["a.shift"], leaves["a.bias"]], "weight_decay": 0.0}]
        if rule["kind"] == "adamw":
            optimiser = torch.optim.AdamW(groups, lr=1, betas=(rule["first"], rule["second"]), eps=1e-8)
        else:
            optimiser = torch.optim.SGD(groups, lr=1, momentum=rule["momentum"])
        steps = []
        for rate in rates:
            gradients = {k: rand(*v.shape) for k, v in p.items()}
            for group in optimiser.param_groups:
                group["lr"] = rate
            for k, v in leaves.items():
                v.grad = gradients[k].clone()
            norm = torch.nn.utils.clip_grad_norm_(list(leaves.values()), clip)
            optimiser.step()
            steps.append({"rate": rate, "gradients": {k: plain(v) for k, v in gradients.items()}, "norm": float(norm),
                          "after": {k: plain(v) for k, v in leaves.items()}})
        cases.append({"name": name, "rule": rule, "decay": decay, "clip": clip, "start": start, "steps": steps})
    with torch.random.fork_rng():
        cases += [muon("muon", 0.95, 0.1, 0.05, 100.0), muon("muon, clipped", 0.8, 0.5, 0.0, 0.5)]
    return cases


def muon_direction(matrix):
    """The five polynomials applied to the singular values themselves: what Newton-Schulz steps compute by products."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    s = s / s.norm()
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u @ torch.diag(s) @ v


def muon(name, momentum, others, decay, clip):
    """Muon for the matrices of a small network, torch.optim.AdamW for its other parameters. torch.optim.Muon, which
    computes in bf16, watches over the reference."""
    net = {"name": name, "nodes": [
        node("image", "input", [], channels=3), conv_node("stem", [0], 4, stride=2), conv_node("wide", [1], 3),
        conv_node("tall", [2], 8, kernel=1), conv_node("depthwise", [3], 8, groups=8),
        conv_node("score", [4], 1, kernel=1, norm=False), node("pool", "global_pool", [4]),
        node("out", "linear", [6], out=5)], "outputs": [{"name": "template", "node": 7}, {"name": "score", "node": 5}]}
    p = {"stem.weight": rand(4, 3, 3, 3), "wide.weight": rand(3, 4, 3, 3), "wide.scale": rand(3),
         "tall.weight": rand(8, 3, 1, 1), "depthwise.weight": rand(8, 1, 3, 3), "score.weight": rand(1, 8, 1, 1),
         "out.weight": rand(5, 8), "out.bias": rand(5), "head.a.weight": rand(6, 5)}
    matrices = ["wide.weight", "tall.weight", "out.weight"]
    start = {k: plain(v) for k, v in p.items()}
    leaves = {k: v.clone().requires_grad_(True) for k, v in p.items()}
    rest = {k: v for k, v in leaves.items() if k not in matrices}
    groups = [{"params": [v], "weight_decay": decay if k.endswith(".weight") else 0.0} for k, v in rest.items()]
    adamw = torch.optim.AdamW(groups, lr=1, betas=(0.9, 0.99), eps=1e-8)
    velocity = {k: torch.zeros_like(p[k]) for k in matrices}
    flat = {k: torch.nn.Parameter(p[k].reshape(p[k].shape[0], -1).clone()) for k in matrices}
    official = torch.optim.Muon(flat.values(), lr=1, weight_decay=decay, momentum=momentum, nesterov=True)
    steps = []
    for rate in [0.1, 0.05, 0.2, 0.01]:
        gradients = {k: rand(*v.shape) for k, v in p.items()}
        for k, v in leaves.items():
            v.grad = gradients[k].clone()
        norm = torch.nn.utils.clip_grad_norm_(list(leaves.values()), clip)
        for group in adamw.param_groups:
            group["lr"] = rate * others
        for group in official.param_groups:
            group["lr"] = rate
        for k in matrices:
            flat[k].grad = leaves[k].grad.reshape(flat[k].shape).clone()
            leaves[k].grad, g = None, leaves[k].grad
            velocity[k] = momentum * velocity[k] + (1 - momentum) * g
            ahead = momentum * velocity[k] + (1 - momentum) * g
            rows = ahead.reshape(ahead.shape[0], -1)
            aspect = max(1.0, rows.shape[0] / rows.shape[1]) ** 0.5
            with torch.no_grad():
                leaves[k] *= 1 - rate * decay
                leaves[k] -= rate * aspect * muon_direction(rows).reshape(ahead.shape)
        adamw.step()
        official.step()
        for k in matrices:
            off = (flat[k].detach().reshape(p[k].shape) - leaves[k].detach()).abs().max()
            assert off < 0.02, (k, off)
        steps.append({"rate": rate, "gradients": {k: plain(v) for k, v in gradients.items()}, "norm": float(norm),
                      "after": {k: plain(v) for k, v in leaves.items()}})
    rule = {"kind": "muon", "momentum": momentum, "others": others}
    return {"name": name, "rule": rule, "decay": decay, "clip": clip, "start": start, "steps": steps,
            "architecture": net}


for file, make in [("ops", ops), ("losses", losses), ("networks", networks), ("optimisers", optimisers)]:
    with open(os.path.join(HERE, file + ".json"), "w") as out:
        json.dump(make(), out, separators=(",", ":"))
        out.write("\n")
