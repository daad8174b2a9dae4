"""Pictures a second of the same training step in PyTorch: the peer of speed.rs.

`python speed.py network.json 112 64 1 5`: a run's network.json, side, batch, threads, steps. f32; `bf16` as a sixth
argument runs convolutions under CPU autocast with channels-last memory.
"""
import json, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F

net = json.load(open(sys.argv[1]))
size, batch, threads, steps = map(int, sys.argv[2:6])
bf16 = len(sys.argv) > 6 and sys.argv[6] == "bf16"
torch.set_num_threads(threads)
torch.manual_seed(1)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers, channels = nn.ModuleDict(), []
        for i, n in enumerate(net["nodes"]):
            c = channels[n["inputs"][0]] if n["inputs"] else n["channels"]
            if n["op"] == "conv":
                conv = nn.Conv2d(c, n["out"], n["kernel"], n["stride"], n["kernel"] // 2, groups=n["groups"], bias=not n["norm"])
                self.layers[str(i)] = nn.Sequential(conv, nn.BatchNorm2d(n["out"])) if n["norm"] else conv
                c = n["out"]
            elif n["op"] == "linear":
                self.layers[str(i)] = nn.Linear(c, n["out"])
                c = n["out"]
            elif n["op"] == "global_depthwise":
                self.layers[str(i)] = nn.Conv2d(c, c, n["kernel"], groups=c, bias=False)
            channels.append(c)

    def forward(self, image):
        values = []
        for i, n in enumerate(net["nodes"]):
            x = [values[j] for j in n["inputs"]]
            op = n["op"]
            if op == "input":
                y = image
            elif op in ("conv", "linear"):
                y = self.layers[str(i)](x[0])
            elif op == "add":
                y = x[0] + x[1]
            elif op == "global_pool":
                y = x[0].mean((2, 3))
            elif op == "global_depthwise":
                y = self.layers[str(i)](x[0]).flatten(1)
            else:
                raise SystemExit(f"embedders only, not {op}")
            values.append(torch.relu(y) if n.get("act") == "relu" else y)
        return values[net["outputs"][0]["node"]]


model = Network().train()
if bf16:
    model = model.to(memory_format=torch.channels_last)
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, betas=(0.9, 0.99))
pictures = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8)
target, best = None, float("inf")
for _ in range(steps + 1):
    began = time.time()
    x = (pictures.float() - 127.5) / 127.5
    x = x.permute(0, 3, 1, 2)
    x = x if bf16 else x.contiguous()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = model(x)
    y = F.normalize(y.float())
    target = F.normalize(torch.randn_like(y)) if target is None else target
    loss = (1 - (y * target).sum(1)).mean()
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    loss.item()
    best = min(best, time.time() - began)
print(f"pytorch{' bf16' if bf16 else ''} {net['name']} {size} px batch {batch} threads {threads}: {batch / best:.1f} images/s")
