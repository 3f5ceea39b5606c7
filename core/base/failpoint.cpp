#include "core/base/failpoint.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <mutex>
#include <string>
#include <vector>

namespace llmops {
namespace {

enum class Action { kKill, kEio, kEnospc, kPause };

struct Point {
  std::string name;
  Action action;
  int countdown;  // acts when it reaches 0, and from then on
};

std::atomic<bool> any_configured{false};
std::mutex points_mutex;
std::vector<Point>& points() {
  static std::vector<Point> all;
  return all;
}

Result<Action> parse_action(std::string_view text) {
  if (text == "kill") return Action::kKill;
  if (text == "eio") return Action::kEio;
  if (text == "enospc") return Action::kEnospc;
  if (text == "pause") return Action::kPause;
  return Error(ErrorCode::kUsage, "unknown failpoint action '" + std::string(text) + "'", did_you_mean(text, {"kill", "eio", "enospc", "pause"}));
}

}  // namespace

Status configure_failpoints(std::string_view specification) {
  const std::lock_guard lock(points_mutex);
  points().clear();
  while (!specification.empty()) {
    const size_t comma = std::min(specification.find(','), specification.size());
    std::string_view one = specification.substr(0, comma);
    specification.remove_prefix(std::min(comma + 1, specification.size()));
    const size_t colon = one.rfind(':');
    if (colon == std::string_view::npos) return Error(ErrorCode::kUsage, "failpoint '" + std::string(one) + "' has no action", "write NAME:ACTION");
    std::string_view action = one.substr(colon + 1);
    int countdown = 1;
    if (const size_t at = action.find('@'); at != std::string_view::npos) {
      std::from_chars(action.data() + at + 1, action.data() + action.size(), countdown);
      action = action.substr(0, at);
    }
    LLMOPS_ASSIGN(const Action parsed, parse_action(action));
    points().push_back({std::string(one.substr(0, colon)), parsed, countdown});
  }
  any_configured.store(!points().empty(), std::memory_order_relaxed);
  return {};
}

int failpoint(const char* name) {
  if (!any_configured.load(std::memory_order_relaxed)) return 0;
  const std::lock_guard lock(points_mutex);
  for (Point& point : points()) {
    if (point.name != name) continue;
    if (point.countdown > 0 && --point.countdown > 0) continue;
    switch (point.action) {
      case Action::kKill: kill(getpid(), SIGKILL); pause(); break;
      case Action::kEio: return EIO;
      case Action::kEnospc: return ENOSPC;
      case Action::kPause: {
        const timespec wait{0, 200'000'000};
        nanosleep(&wait, nullptr);
        break;
      }
    }
  }
  return 0;
}

}  // namespace llmops
