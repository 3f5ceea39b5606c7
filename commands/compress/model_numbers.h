// The numbers of a model that say how its tensors belong together, in config.json and in GGUF's keys alike.
#pragma once

#include "core/model/weights.h"

namespace llmops {

enum class ModelNumber { kLayers, kHeads, kKeyHeads, kHeadSize, kFeedForward };

class ModelNumbers {
 public:
  explicit ModelNumbers(WeightsPlan& plan) : plan_(plan) {}
  // 0: the model does not say.
  uint64_t get(ModelNumber number) const;
  // In every place that says it. kHeadSize is added where it was implied.
  Status set(ModelNumber number, uint64_t value);
  // Lists with an entry for each layer lose the entries of these.
  Status drop_layers(const std::vector<uint64_t>& dropped, uint64_t layers);
  std::string architecture() const;           // config.json's model_type, or general.architecture

 private:
  // config.json beside the weights, or kept in a key of GGUF. nullptr: none.
  std::string* config_text() const;
  Result<Json> config() const;
  WeightsPlan& plan_;
};

}  // namespace llmops
