// Statistics of calibration: round trips of the three formats, and files whose every field lies.
#include "core/model/calibration.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "core/base/fs.h"
#include "tests/support/test_data.h"
#include "tests/support/weights.h"

using namespace llmops;
using namespace llmops::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class Number>
std::string raws(const std::vector<Number>& values) {
  std::string bytes;
  for (const Number value : values) bytes += raw(value);
  return bytes;
}

std::string short_text(const std::string& text) { return raw(static_cast<int32_t>(text.size())) + text; }
std::string dat_entry(const std::string& name, int32_t calls, const std::vector<float>& values) { return short_text(name) + raw(calls) + raw(static_cast<int32_t>(values.size())) + raws(values); }

Result<Calibration> opened(const std::string& bytes) {
  const TempDir dir;
  return open_calibration(dir.write("file", bytes), "file");
}
std::string refusal(const std::string& bytes) {
  const auto made = opened(bytes);
  return made ? "opened" : made.error().message;
}

// A safetensors file of F32 tensors (U64 where the name says count), in the order given.
struct Tensor { std::string name; std::vector<uint64_t> shape; std::string bytes, type = "F32"; };
std::string own_bytes(const std::vector<Tensor>& tensors, const Json& metadata = {{"format", "llmops.calibration/v1"}, {"datasets", "[\"a.txt\"]"}, {"tokens", "640"}}) {
  Json header = {{"__metadata__", metadata}};
  std::string data;
  for (const Tensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.type}, {"shape", tensor.shape}, {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
    data += tensor.bytes;
  }
  return counted(dump_json(header)) + data;
}
const Tensor kSums{"w.in_sum2", {2}, raws<float>({8, 2})}, kCount{"w.count", {1}, raw<uint64_t>(4), "U64"};

// As GgufBytes, with data of its own.
std::string gguf_imatrix(const std::vector<Tensor>& tensors, const std::string& type = "imatrix") {
  GgufBytes file;
  file.pairs.clear();
  file.text("general.type", type).texts("imatrix.datasets", {"a.txt", "b.txt"}).number("imatrix.chunk_count", 10).number("imatrix.chunk_size", 64);
  std::string data;
  for (const Tensor& tensor : tensors) {
    file.tensor(tensor.name, {tensor.shape.rbegin(), tensor.shape.rend()}, 0, data.size());
    data += tensor.bytes;
    data.resize((data.size() + 31) / 32 * 32);
  }
  return file.bytes() + data;
}

Calibration sample() {
  Calibration made;
  made.datasets = {"wiki.txt", "chat.txt"};
  made.tokens = 640;
  made.chunk_count = 10;
  made.chunk_size = 64;
  const auto add = [&](const char* name, std::vector<float> sums, std::vector<double> counts) {
    auto entry = make_calibration_entry(name, std::move(sums), std::move(counts));
    REQUIRE(entry);
    made.entries.push_back(*std::move(entry));
  };
  add("blk.0.attn_q.weight", {640, 1280, 0, 3.5F}, {640});
  add("blk.0.ffn_up_exps.weight", {1, 2, 3, 0, 0, 0, 30, 20, 10}, {100, 0, 10});
  return made;
}

Result<Calibration> rewritten(const Calibration& calibration, Status (*write)(const std::filesystem::path&, const Calibration&)) {
  const TempDir dir;
  REQUIRE(write(dir.path() / "file", calibration));
  return open_calibration(dir.path() / "file", "file");
}

}  // namespace

TEST_CASE("a calibration goes through GGUF and comes back the same") {
  const Calibration written = sample();
  const auto read = rewritten(written, write_imatrix_gguf);
  REQUIRE(read);
  CHECK(read->format == CalibrationFormat::kImatrixGguf);
  CHECK(read->datasets == written.datasets);
  CHECK((read->chunk_count == 10 && read->chunk_size == 64 && read->tokens == 640));
  REQUIRE(read->entries.size() == 2);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(read->entries[i].name == written.entries[i].name);
    CHECK(read->entries[i].sums == written.entries[i].sums);
    CHECK(read->entries[i].counts == written.entries[i].counts);
    CHECK(read->entries[i].mean_squares == written.entries[i].mean_squares);
  }
}

TEST_CASE("experts without tokens have the mean square 1, others what their own tokens say") {
  const Calibration made = sample();
  const CalibrationEntry* const entry = made.find("blk.0.ffn_up_exps.weight");
  REQUIRE(entry != nullptr);
  CHECK((entry->matrices() == 3 && entry->inputs() == 3));
  CHECK(entry->mean_squares == std::vector<float>{0.01F, 0.02F, 0.03F, 1, 1, 1, 3, 2, 1});
  CHECK(std::vector<float>(entry->mean_squares_of(2).begin(), entry->mean_squares_of(2).end()) == std::vector<float>{3, 2, 1});
  CHECK(made.find("blk.0") == nullptr);
  CHECK(made.find("z") == nullptr);
}

TEST_CASE("an imatrix.dat is means times calls, and calls are chunks rounded up") {
  const TempDir dir;
  const Calibration written = sample();
  REQUIRE(write_imatrix_dat(dir.path() / "file", written));
  const std::string expected = raw<int32_t>(2) + dat_entry("blk.0.attn_q.weight", 10, {10, 20, 0, 0.0546875F}) + dat_entry("blk.0.ffn_up_exps.weight", 2, {0.02F, 0.04F, 0.06F, 2, 2, 2, 6, 4, 2}) + raw<int32_t>(10) + short_text("chat.txt");
  CHECK(*read_file(dir.path() / "file") == expected);
  const auto read = open_calibration(dir.path() / "file", "file");
  REQUIRE(read);
  CHECK(read->format == CalibrationFormat::kImatrixDat);
  CHECK(read->chunk_count == 10);
  CHECK(read->datasets == std::vector<std::string>{"chat.txt"});
  CHECK(read->find("blk.0.attn_q.weight")->mean_squares == written.entries[0].mean_squares);
  CHECK(read->find("blk.0.ffn_up_exps.weight")->mean_squares == written.entries[1].mean_squares);
  CHECK(read->find("blk.0.ffn_up_exps.weight")->counts == std::vector<double>{2});
  // Read and written again, it is the same bytes: counts are calls.
  REQUIRE(write_imatrix_dat(dir.path() / "again", *read));
  CHECK(*read_file(dir.path() / "again") == expected);
}

TEST_CASE("an imatrix.dat may end behind its entries or behind the chunks") {
  const std::string entries = raw<int32_t>(1) + dat_entry("w", 4, {8, 2});
  for (const std::string& end : {std::string(), raw<int32_t>(7), raw<int32_t>(7) + short_text(""), raw<int32_t>(7) + short_text("t")}) {
    const auto made = opened(entries + end);
    REQUIRE(made);
    CHECK(made->find("w")->mean_squares == std::vector<float>{2, 0.5F});
    CHECK(made->chunk_count == (end.empty() ? 0 : 7));
  }
}

TEST_CASE("every length of an imatrix.dat is held against the file") {
  const std::string one = raw<int32_t>(1);
  CHECK(refusal("") == "'file' ends inside the number of its entries: 4 bytes are wanted and 0 are left (at byte 0)");
  CHECK(refusal(raw<int32_t>(0)) == "'file' says it holds 0 entries (at byte 4)");
  CHECK(refusal(raw<int32_t>(-5) + dat_entry("w", 4, {8})) == "'file' says it holds -5 entries (at byte 4)");
  CHECK(refusal(raw<int32_t>(1'000'000) + dat_entry("w", 4, {8})) == "'file' says it holds 1000000 entries, more than fit into it (at byte 4)");
  CHECK(refusal(raw<int32_t>(2) + dat_entry("w", 4, std::vector<float>(9, 1))) == "'file' ends inside the name of an entry: 4 bytes are wanted and 0 are left (at byte 53)");
  const std::string tail(64, 'x');
  CHECK(refusal(one + raw<int32_t>(-1) + tail) == "'file' has the name of an entry of -1 bytes (at byte 8)");
  CHECK(refusal(one + raw<int32_t>(0) + tail) == "'file' has the name of an entry of 0 bytes (at byte 8)");
  CHECK(refusal(one + raw<int32_t>(2'000'000'000) + tail) == "'file' has the name of an entry of 2000000000 bytes (at byte 8)");
  CHECK(refusal(one + raw<int32_t>(100) + tail) == "'file' ends inside the name of an entry: 100 bytes are wanted and 64 are left (at byte 8)");
  CHECK(refusal(one + short_text("w") + raw<int32_t>(4) + raw<int32_t>(0) + tail) == "'file' has entry 'w' of 0 values (at byte 17)");
  CHECK(refusal(one + short_text("w") + raw<int32_t>(4) + raw<int32_t>(-1) + tail) == "'file' has entry 'w' of -1 values (at byte 17)");
  CHECK(refusal(one + short_text("w") + raw<int32_t>(4) + raw<int32_t>(2147483647) + tail) == "'file' ends inside the values of an entry: 8589934588 bytes are wanted and 64 are left (at byte 17)");
  CHECK(refusal(raw<int32_t>(2) + dat_entry("w", 4, {8}) + dat_entry("w", 4, {8})) == "'file' has the entry 'w' twice (at byte 26)");
  CHECK(refusal(one + dat_entry("w", 4, {8}) + "ab") == "'file' ends inside the number of its chunks: 4 bytes are wanted and 2 are left (at byte 21)");
  CHECK(refusal(one + dat_entry("w", 4, {8}) + raw<int32_t>(1) + raw<int32_t>(9) + "ab") == "'file' ends inside the name of its dataset: 9 bytes are wanted and 2 are left (at byte 29)");
  CHECK(refusal(one + dat_entry("w", 4, {8}) + raw<int32_t>(1) + raw<int32_t>(-9)) == "'file' has the name of its dataset of -9 bytes (at byte 29)");
  CHECK(refusal(one + dat_entry("w", 4, {8}) + raw<int32_t>(1) + short_text("t") + "z") == "'file' has 1 bytes behind its end (at byte 30)");
}

TEST_CASE("an entry that cannot be used is named with the reason, and the others stay") {
  const std::string bytes = raw<int32_t>(6) + dat_entry("a", 0, {1, 2}) + dat_entry("b", -3, {1, 2}) + dat_entry("c", 4, {1, NAN}) + dat_entry("d", 4, {1, -2}) + dat_entry("e", 4, {0, 0}) + dat_entry("f", 4, {1, 2});
  const auto made = opened(bytes);
  REQUIRE(made);
  CHECK(made->entries.size() == 1);
  CHECK(made->find("a") == nullptr);
  std::vector<std::string> reasons;
  for (const auto& refused : made->refused) reasons.push_back(refused.reason);
  CHECK(reasons == std::vector<std::string>{"calibration of 'a' saw no token", "calibration of 'b' has the count -3", "calibration of 'c' has the sum of squares nan at input 1", "calibration of 'd' has the sum of squares -2 at input 1",
                                            "calibration of 'e' saw nothing but zeros"});
  CHECK(refusal(raw<int32_t>(1) + dat_entry("a", 0, {1, 2})) == "'file' holds no entry that can be used: calibration of 'a' saw no token");
  CHECK_FALSE(make_calibration_entry("x", {1, 2, 3}, {1, 1}));
  CHECK_FALSE(make_calibration_entry("x", {}, {1}));
  CHECK_FALSE(make_calibration_entry("x", {1}, {}));
  CHECK_FALSE(make_calibration_entry("x", {kInfinity}, {1}));
  CHECK_FALSE(make_calibration_entry("x", {1}, {std::nan("")}));
  CHECK_FALSE(make_calibration_entry("x", {1e30F}, {1e-30}));
  CHECK_FALSE(make_calibration_entry("x", {0, 0, 1, 1}, {3, 3}));
  CHECK(make_calibration_entry("x", {0, 0, 1, 1}, {0, 3}));
}

TEST_CASE("a GGUF file is an imatrix by its type and by pairs of sums and counts") {
  const Tensor sums{"w.in_sum2", {3, 2}, raws<float>({1, 2, 3, 4, 5, 6})}, counts{"w.counts", {3, 1}, raws<float>({1, 2, 4})};
  const auto made = opened(gguf_imatrix({sums, counts, {"w.in_sum", {3, 2}, raws<float>({1, 2, 3, 4, 5, 6})}}));
  REQUIRE(made);
  CHECK(made->find("w")->mean_squares == std::vector<float>{1, 2, 1.5F, 2, 1.25F, 1.5F});
  CHECK(made->datasets == std::vector<std::string>{"a.txt", "b.txt"});
  CHECK(refusal(gguf_imatrix({sums, counts}, "model")) == "'file' is a GGUF file that is no imatrix");
  CHECK(refusal(GgufBytes{}.bytes()) == "'file' is a GGUF file that is no imatrix");
  CHECK(refusal(gguf_imatrix({sums})) == "'file' has no 'w.counts'");
  CHECK(refusal(gguf_imatrix({counts})) == "'file' has no 'w.in_sum2'");
  CHECK(refusal(gguf_imatrix({})) == "'file' holds no entry");
  CHECK(refusal(gguf_imatrix({sums, {"w.counts", {4}, raws<float>({1, 2, 4, 4})}})) == "'file' has 6 sums for 4 counts of 'w'");
  CHECK(refusal(gguf_imatrix({sums, {"w.counts", {2}, raws<float>({1, 2})}})) == "'file' has sums of 'w' in rows that its 2 counts do not make");
  GgufBytes wrong;
  wrong.pairs.clear();
  CHECK(refusal(wrong.text("general.type", "imatrix").text("imatrix.datasets", "a").bytes()) == "'file' has 'imatrix.datasets' that is no list of texts");
  CHECK(refusal(GgufBytes{}.text("general.type", "imatrix").text("imatrix.chunk_count", "a").bytes()) == "'file' has 'imatrix.chunk_count' that is no count");
  CHECK(refusal("GGUF") == "'file' ends inside its version: 4 bytes are wanted and 0 are left (at byte 4)");
  const std::string whole = gguf_imatrix({sums, counts});
  for (size_t size = 4; size < whole.size() - 32; size += 5) CHECK_FALSE(opened(whole.substr(0, size)));
}

TEST_CASE("our own file holds sums, counts, Hessians and what layers are worth") {
  const TempDir dir;
  Calibration written = sample();
  written.entries[0].has_hessian = true;
  written.block_influence = {0.25F, 0.5F};
  written.head_importance = {2, 3, {1, 2, 3, 4, 5, 6}};
  written.ffn_importance = {2, 1, {7, 8}};
  std::vector<float> hessian(16);
  for (size_t i = 0; i < 16; ++i) hessian[i] = static_cast<float>(i);
  std::vector<std::string> asked;
  const HessianSource source = [&](const CalibrationEntry& entry) -> Result<std::vector<float>> {
    asked.push_back(entry.name);
    return hessian;
  };
  REQUIRE(write_calibration(dir.path() / "file", written, source));
  CHECK(asked == std::vector<std::string>{"blk.0.attn_q.weight"});
  const auto read = open_calibration(dir.path() / "file", "file");
  REQUIRE(read);
  CHECK(read->format == CalibrationFormat::kOwn);
  CHECK(read->datasets == written.datasets);
  CHECK(read->tokens == 640);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(read->entries[i].sums == written.entries[i].sums);
    CHECK(read->entries[i].counts == written.entries[i].counts);
    CHECK(read->entries[i].has_hessian == (i == 0));
  }
  CHECK(read->block_influence == written.block_influence);
  CHECK(read->head_importance.values == written.head_importance.values);
  CHECK((read->head_importance.layers == 2 && read->head_importance.parts == 3));
  CHECK(read->ffn_importance.values == written.ffn_importance.values);
  REQUIRE(read->read_hessian("blk.0.attn_q.weight"));
  CHECK(*read->read_hessian("blk.0.attn_q.weight") == hessian);
  CHECK(read->read_hessian("blk.0.ffn_up_exps.weight").error().message == "'file' has no Hessian of 'blk.0.ffn_up_exps.weight'");
  CHECK(read->read_hessian("other").error().code == ErrorCode::kNotFound);
  hessian[1] = NAN;
  REQUIRE(write_calibration(dir.path() / "file", written, source));
  CHECK(read->read_hessian("blk.0.attn_q.weight").error().message == "'file' has nan in the Hessian of 'blk.0.attn_q.weight'");
  hessian.resize(15);
  CHECK(write_calibration(dir.path() / "none", written, source).error().message == "the Hessian of 'blk.0.attn_q.weight' has 15 values, and 4 inputs need 16");
  CHECK(write_calibration(dir.path() / "none", written).error().message == "no Hessian of 'blk.0.attn_q.weight' can be written: none was given");
  CHECK_FALSE(fs::exists(dir.path() / "none"));
}

TEST_CASE("what our own file does not define is refused") {
  CHECK(refusal(own_bytes({kSums, kCount})) == "opened");
  CHECK(refusal(own_bytes({kSums, {"w.count", {1}, raw<float>(4)}})) == "opened");
  CHECK(refusal(own_bytes({kSums, kCount}, {{"format", "llmops.calibration/v2"}})) == "'file' is a safetensors file that is no llmops.calibration/v1");
  CHECK(refusal(own_bytes({kSums, kCount}, Json::object())) == "'file' is a safetensors file that is no llmops.calibration/v1");
  CHECK(refusal(own_bytes({kSums, kCount}, {{"format", "llmops.calibration/v1"}, {"tokens", "-1"}})) == "'file' has 'tokens' that is no count");
  CHECK(refusal(own_bytes({kSums, kCount}, {{"format", "llmops.calibration/v1"}, {"tokens", "99999999999999999"}})) == "'file' has 'tokens' that is no count");
  for (const char* datasets : {"[1]", "a.txt", "{}", "[[\"a\"]]"}) {
    CHECK(refusal(own_bytes({kSums, kCount}, {{"format", "llmops.calibration/v1"}, {"datasets", datasets}})) == "'file' has 'datasets' that is no list of texts");
  }
  CHECK(refusal(own_bytes({kSums})) == "'file' has no 'w.count'");
  CHECK(refusal(own_bytes({kCount})) == "'file' has no 'w.in_sum2'");
  CHECK(refusal(own_bytes({kSums, kCount, {"w.weight", {1}, raw<float>(1)}})) == "'file' has tensor 'w.weight', which llmops.calibration/v1 does not know");
  CHECK(refusal(own_bytes({kSums, kCount, {".hessian", {1}, raw<float>(1)}})) == "'file' has tensor '.hessian', which llmops.calibration/v1 does not know");
  CHECK(refusal(own_bytes({{"w.in_sum2", {2}, raws<float>({8}), "F16"}, kCount})) == "'file' has sums or counts of 'w' of another type than F32");
  CHECK(refusal(own_bytes({{"w.in_sum2", {0}, ""}, kCount})) == "'file' has 0 sums for 1 counts of 'w'");
  CHECK(refusal(own_bytes({kSums, {"w.count", {0}, "", "U64"}})) == "'file' has 2 sums for 0 counts of 'w'");
  CHECK(refusal(own_bytes({kSums, {"w.count", {2}, raws<uint64_t>({1, 1}), "U64"}})) == "'file' has sums of 'w' in rows that its 2 counts do not make");
  CHECK(refusal(own_bytes({kSums, kCount, {"w.hessian", {4}, raws<float>({1, 0, 0, 1})}})) == "'file' has a Hessian of 'w' that is no F32 matrix of 2 x 2");
  CHECK(refusal(own_bytes({kSums, kCount, {"w.hessian", {2, 2}, raws<float>({1, 0}), "F16"}})) == "'file' has a Hessian of 'w' that is no F32 matrix of 2 x 2");
  CHECK(refusal(own_bytes({kSums, kCount, {"v.hessian", {1, 1}, raw<float>(1)}})) == "'file' has no 'v.in_sum2'");
  CHECK(refusal(own_bytes({{"block_influence", {2}, raws<float>({1, 2})}})) == "opened");
  CHECK(refusal(own_bytes({{"block_influence", {2, 1}, raws<float>({1, 2})}})) == "'file' has 'block_influence' of another type or shape");
  CHECK(refusal(own_bytes({{"head_importance", {2}, raws<float>({1, 2})}})) == "'file' has 'head_importance' of another type or shape");
  CHECK(refusal(own_bytes({{"ffn_importance", {1, 2}, raws<float>({1, kInfinity})}})) == "'file' has inf in 'ffn_importance'");
  CHECK(refusal(own_bytes({})) == "'file' holds no entry");
  const std::string whole = own_bytes({kSums, kCount});
  for (size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(opened(whole.substr(0, size)));
}

TEST_CASE("bytes that are changed at random are read or refused, and nothing else") {
  std::mt19937 random(5);
  const Tensor hessian{"w.hessian", {2, 2}, raws<float>({1, 0, 0, 1})};
  const std::vector<std::string> files = {own_bytes({kSums, kCount, hessian}), gguf_imatrix({{"w.in_sum2", {2}, raws<float>({8, 2})}, {"w.counts", {1}, raws<float>({4})}}), raw<int32_t>(2) + dat_entry("w", 4, {8, 2}) + dat_entry("v", 4, {8, 2}) + raw<int32_t>(7) + short_text("t")};
  const TempDir dir;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = files[static_cast<size_t>(round) % files.size()];
    for (unsigned k = 0; k <= random() % 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto made = open_calibration(dir.write("file", bytes), "file");
    if (!made) CHECK_FALSE(made.error().message.empty());
    else for (const CalibrationEntry& entry : made->entries) if (entry.has_hessian) (void)made->read_hessian(entry.name).has_value();
  }
}
