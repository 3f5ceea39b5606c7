#include "core/store/committer.h"

#include <chrono>

namespace llmops {
namespace {

size_t bytes_of(const CaseRecord& record) {
  size_t bytes = sizeof record + record.case_id.size() + record.row.size() + record.output.size() + record.error_message.size();
  for (const SpanRecord& span : record.spans)
    bytes += sizeof span + span.name.size() + span.input.size() + span.prompt.size() + span.output.size() + span.error_message.size() + span.attributes.size();
  for (const ScoreRecord& score : record.scores) bytes += sizeof score + score.error.size() + score.detail.size();
  return bytes;
}

}  // namespace

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// Waits for room. One item that is larger than the whole bound passes alone.
void Committer::enqueue(std::unique_lock<std::mutex>& lock, Item item) {
  const auto has_room = [&] { return waiting_bytes_ == 0 || waiting_bytes_ + item.bytes <= kMaxWaitingBytes; };
  if (!has_room()) {
    ++blocked_;
    wake_.notify_one();
    settled_.wait(lock, has_room);
    --blocked_;
  }
  waiting_bytes_ += item.bytes;
  ++queued_;
  queue_.push_back(std::move(item));
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  if (queue_.size() == 1 || queue_.size() >= kBatchItems) wake_.notify_one();
}

Status Committer::add(const std::shared_ptr<RunProgress>& run, CaseRecord record) {
  Item item;
  item.run = run;
  item.bytes = bytes_of(record);
  item.record = std::move(record);
  std::unique_lock lock(mutex_);
  if (run->failure) return *run->failure;
  enqueue(lock, std::move(item));
  if (run->failure) return *run->failure;
  return {};
}

// Everything that was handed over up to now; what comes later is not waited for.
void Committer::settle_everything(std::unique_lock<std::mutex>& lock) {
  const uint64_t target = queued_;
  if (settled_count_ >= target) return;
  urgent_ = true;
  wake_.notify_one();
  settled_.wait(lock, [&] { return settled_count_ >= target; });
}

Status Committer::flush(const std::shared_ptr<RunProgress>& run) {
  std::unique_lock lock(mutex_);
  settle_everything(lock);
  if (run->failure) return *run->failure;
  return {};
}

Status Committer::put(CachedResponse response) {
  auto shared = std::make_shared<const CachedResponse>(std::move(response));
  Item item;
  item.bytes = sizeof item + shared->key.size() + shared->parts.size() + shared->reply.size();
  item.response = shared;
  std::unique_lock lock(mutex_);
  if (response_failure_) {
    Error failure = std::move(*response_failure_);
    response_failure_.reset();
    return failure;
  }
  pending_[shared->key] = shared;
  enqueue(lock, std::move(item));
  return {};
}

std::shared_ptr<const CachedResponse> Committer::pending(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = pending_.find(key);
  return found == pending_.end() ? nullptr : found->second;
}

void Committer::drain() {
  std::unique_lock lock(mutex_);
  settle_everything(lock);
}

void Committer::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;  // stopping
    wake_.wait_for(lock, std::chrono::milliseconds(kBatchMs), [this] { return stopping_ || urgent_ || blocked_ > 0 || queue_.size() >= kBatchItems; });
    std::vector<Item> batch(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.end()));
    queue_.clear();
    urgent_ = false;
    const size_t taken = batch.size();
    // Cases of a run whose write failed before are given up: what is stored of it stays a prefix.
    std::erase_if(batch, [this](const Item& item) {
      if (item.run == nullptr || !item.run->failure) return false;
      waiting_bytes_ -= item.bytes;
      return true;
    });
    lock.unlock();
    const Status status = batch.empty() ? Status() : write_(batch);
    lock.lock();
    settle(batch, status);
    // The records are freed before their bytes count as room again.
    batch.clear();
    settled_count_ += taken;
    settled_.notify_all();
  }
}

void Committer::settle(const std::vector<Item>& batch, const Status& status) {
  for (const Item& item : batch) {
    waiting_bytes_ -= item.bytes;
    if (item.run != nullptr) {
      if (!status && !item.run->failure) item.run->failure = status.error();
      continue;
    }
    const auto found = pending_.find(item.response->key);
    if (found != pending_.end() && found->second == item.response) pending_.erase(found);
    if (!status && !response_failure_) response_failure_ = status.error();
  }
}

}  // namespace llmops
