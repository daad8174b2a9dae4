// Gives LibTorch's tape an operation of ours: see record.rs, which is the only caller.

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <utility>

namespace {

using at::Tensor;
using torch::autograd::variable_list;

// Writes to `gradients` the gradient of each input that is `wanted`, from that of the output.
using Backward = void (*)(void* operation, Tensor* gradient, const bool* wanted, Tensor** gradients, size_t count);
using Drop = void (*)(void* operation);

struct Recorded : torch::autograd::Node {
  Recorded(void* operation, Backward backward, Drop drop) : operation(operation), backward(backward), drop(drop) {}
  ~Recorded() override { forget(); }

  variable_list apply(variable_list&& gradients) override {
    const size_t count = num_outputs();
    variable_list results(count);
    if (operation == nullptr || !gradients[0].defined()) {
      return results;
    }
    std::unique_ptr<bool[]> wanted(new bool[count]);
    std::unique_ptr<Tensor*[]> found(new Tensor*[count]());
    for (size_t i = 0; i < count; ++i) {
      wanted[i] = task_should_compute_output(i);
    }
    // The callee takes the gradient over, as it does every tensor that it is given a pointer to.
    backward(operation, new Tensor(gradients[0]), wanted.get(), found.get(), count);
    for (size_t i = 0; i < count; ++i) {
      if (found[i] != nullptr) {
        results[i] = std::move(*found[i]);
        delete found[i];
      }
    }
    return results;
  }

  // What was kept for the gradient is not needed once it is computed.
  void release_variables() override { forget(); }

 private:
  void forget() {
    if (operation != nullptr) {
      drop(std::exchange(operation, nullptr));
    }
  }

  void* operation;
  Backward backward;
  Drop drop;
};

}  // namespace

// Makes `output` the result of `operation` on `inputs`, and takes the operation over; drops it at once where nothing is
// recorded or nothing learns.
extern "C" void phiz_record(Tensor* output, Tensor* const* inputs, size_t count, void* operation, Backward backward, Drop drop) {
  variable_list list;
  for (size_t i = 0; i < count; ++i) {
    list.push_back(*inputs[i]);
  }
  if (!at::GradMode::is_enabled() || !torch::autograd::any_variable_requires_grad(list)) {
    drop(operation);
    return;
  }
  auto node = std::shared_ptr<Recorded>(new Recorded(operation, backward, drop), torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(list));
  torch::autograd::set_history(*output, node);
}
