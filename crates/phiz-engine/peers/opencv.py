"""Milliseconds of networks in OpenCV DNN and in ONNX Runtime, in turn, one thread each: python opencv.py ROUNDS FILE:SIDE ...

Needs the packages opencv-python-headless, onnxruntime and numpy. What Phiz takes stands beside ONNX Runtime in `engine_bench`.
"""
import sys, time, statistics
import cv2, numpy, onnxruntime

cv2.setNumThreads(1)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
rounds = int(sys.argv[1])
print("OpenCV", cv2.__version__, "ONNX Runtime", onnxruntime.__version__)
for network in sys.argv[2:]:
    file, side = network.rsplit(":", 1)
    picture = numpy.random.default_rng(1).standard_normal((1, 3, int(side), int(side)), dtype=numpy.float32)
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    try:
        net = cv2.dnn.readNetFromONNX(file)
        outputs = net.getUnconnectedOutLayersNames()
        net.setInput(picture)
        net.forward(outputs)
    except cv2.error as error:
        print(file, "is not read by OpenCV:", str(error).strip().splitlines()[-1])
        continue
    def opencv():
        net.setInput(picture)
        net.forward(outputs)
    subjects = {"OpenCV": opencv, "ONNX Runtime": lambda: session.run(None, {name: picture})}
    times = {subject: [] for subject in subjects}
    for _ in range(rounds):
        for subject, run in subjects.items():
            run()
            began = time.perf_counter()
            run()
            times[subject].append(1e3 * (time.perf_counter() - began))
    least = {subject: min(values) for subject, values in times.items()}
    median = {subject: statistics.median(values) for subject, values in times.items()}
    print(f"{file}: OpenCV {least['OpenCV']:.2f}, {median['OpenCV']:.2f} ms; ONNX Runtime {least['ONNX Runtime']:.2f}, "
          f"{median['ONNX Runtime']:.2f} ms; {least['OpenCV'] / least['ONNX Runtime']:.2f} and "
          f"{median['OpenCV'] / median['ONNX Runtime']:.2f} of ONNX Runtime", flush=True)
