"""Checks the exported networks beside this script and writes what ONNX Runtime computes with them. Run it in this folder:

    python3 make.py        (made with onnx 1.23, ONNX Runtime 1.32, NumPy 2.4)

every-operation-FORM.onnx   written by our exporter; `cargo test -p phiz-net` says where to find it when it has changed
every-operation-FORM.csv    height, width, batch, output, its shape, its values, row-major

The picture's element i is (37 i mod 101) / 50 - 1, in f32.
"""

import csv
import os

import numpy as np
import onnx
import onnxruntime

os.chdir(os.path.dirname(os.path.abspath(__file__)))
for form in ("f32", "f16", "int8"):
    NAME = f"every-operation-{form}"
    model = onnx.load(f"{NAME}.onnx")
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    assert [o.domain for o in model.opset_import] == [""] and model.opset_import[0].version == 17
    assert [i.name for i in model.graph.input] == ["image"]

    session = onnxruntime.InferenceSession(f"{NAME}.onnx", providers=["CPUExecutionProvider"])
    rows = []
    for batch, height, width in ((1, 8, 8), (5, 8, 12)):
        count = batch * 3 * height * width
        picture = (np.arange(count) * 37 % 101).astype(np.float32) / np.float32(50) - np.float32(1)
        outputs = session.run(None, {"image": picture.reshape(batch, 3, height, width)})
        for port, value in zip(session.get_outputs(), outputs):
            shape = "x".join(map(str, value.shape))
            numbers = " ".join(f"{v:.7g}" for v in value.ravel())
            rows.append([height, width, batch, port.name, shape, numbers])
    with open(f"{NAME}.csv", "w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows([["height", "width", "batch", "output", "shape", "values"]] + rows)
    print(f"{NAME}: checked, {len(rows)} outputs")
