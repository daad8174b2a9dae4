"""The convolutions of conv_speed.rs in PyTorch: `python conv_speed.py 64 28 128 1` (channels, side of the map, pictures, threads), f32,
channels-last, least time of five."""
import sys, time
import torch

channels, side, pictures, threads = map(int, sys.argv[1:5])
torch.set_num_threads(threads)
x = torch.randn(pictures, channels, side, side).to(memory_format=torch.channels_last).requires_grad_(True)
filters = torch.randn(channels, channels, 3, 3, requires_grad=True)
y = torch.nn.functional.conv2d(x, filters, padding=1)
dy = torch.randn_like(y)
parts = {
    "forward": lambda: torch.nn.functional.conv2d(x.detach(), filters.detach(), padding=1),
    "input's gradient": lambda: torch.autograd.grad(y, [x], dy, retain_graph=True),
    "filters' gradient": lambda: torch.autograd.grad(y, [filters], dy, retain_graph=True),
}
for name, part in parts.items():
    least = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        part()
        least = min(least, time.perf_counter() - began)
    products = y.numel() * 9 * channels
    print(f"{name:18} {1e3 * least:7.2f} ms {products / least / 1e9:6.1f} thousand million products a second")
