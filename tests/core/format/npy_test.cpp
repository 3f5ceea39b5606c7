// Arrays of NumPy: values and shapes, both orders, and headers that lie.
#include "core/format/npy.h"

#include <catch2/catch.hpp>

#include "tests/support/test_data.h"
#include "tests/support/weights.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Folder {
  TempDir dir;
  static std::string array(const std::string& header, const std::string& values, char major = 1) {
    const std::string length = major == 1 ? raw<uint16_t>(static_cast<uint16_t>(header.size())) : raw<uint32_t>(static_cast<uint32_t>(header.size()));
    return std::string("\x93NUMPY") + major + std::string(1, '\0') + length + header + values;
  }
  Result<NpyArray> read(const std::string& bytes) { return read_npy(dir.write("a.npy", bytes), "a.npy"); }
  std::string fault(const std::string& header, const std::string& values) {
    const auto made = read(array(header, values));
    return made ? "read" : made.error().message;
  }
};

}  // namespace

TEST_CASE("an array of NumPy gives its shape and its values in row-major order") {
  Folder folder;
  const auto plain = folder.read(Folder::array("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     \n", raw(1.0F) + raw(2.0F) + raw(3.0F) + raw(4.0F) + raw(5.0F) + raw(6.5F)));
  REQUIRE(plain);
  CHECK(plain->shape == std::vector<uint64_t>{2, 3});
  CHECK(plain->values == std::vector<double>{1, 2, 3, 4, 5, 6.5});
  const auto turned = folder.read(Folder::array("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }\n", raw(1.0) + raw(4.0) + raw(2.0) + raw(5.0) + raw(3.0) + raw(6.5)));
  REQUIRE(turned);
  CHECK(turned->values == std::vector<double>{1, 2, 3, 4, 5, 6.5});
  const auto whole = folder.read(Folder::array("{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n", raw<int16_t>(-7) + raw<int16_t>(300), 2));
  REQUIRE(whole);
  CHECK(whole->values == std::vector<double>{-7, 300});
  const auto halves = folder.read(Folder::array("{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }\n", raw<uint16_t>(0x3C00) + raw<uint16_t>(0xC100) + raw<uint16_t>(1)));
  REQUIRE(halves);
  CHECK(halves->values == std::vector<double>{1, -2.5, 0x1p-24});
  const auto one = folder.read(Folder::array("{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n", "\x07"));
  REQUIRE(one);
  CHECK(one->shape.empty());
  CHECK(one->values == std::vector<double>{7});
}

TEST_CASE("an array of NumPy that lies is refused") {
  Folder folder;
  CHECK(folder.fault("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "abcd") == "'a.npy' holds values of type '>f4', not little-endian numbers (at byte 67)");
  CHECK(folder.fault("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "abcd").find("type '|O'") != std::string::npos);
  CHECK(folder.fault("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "abcd").find("(descr)") != std::string::npos);
  CHECK(folder.fault("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "abcd").find("holds 4 bytes of values, where its shape and type make 2 values of 4") != std::string::npos);
  CHECK(folder.fault("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "abcd").find("past every size") != std::string::npos);
  CHECK(folder.fault("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }", "abcd").find("past every size") != std::string::npos);
  CHECK(folder.fault("{'descr': '<f4', 'shape': (1,), }", "abcd").find("without fortran_order") != std::string::npos);
  CHECK(folder.fault("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "abcdX").find("holds 5 bytes") != std::string::npos);
  CHECK_FALSE(folder.read("\x93NUMPX\x01"));
  CHECK_FALSE(folder.read(std::string("\x93NUMPY\x02\0\xff\xff\xff\x7f", 12)));
  CHECK_FALSE(folder.read(std::string("\x93NUMPY\x09\0", 8)));
}

TEST_CASE("an array that is written is read again") {
  const TempDir dir;
  const std::vector<uint64_t> shape = {2, 2};
  const std::vector<float> values = {1.5F, -2, 3, 1e-30F};
  REQUIRE(write_npy(dir.path() / "w.npy", shape, values));
  const auto made = read_npy(dir.path() / "w.npy", "w.npy");
  REQUIRE(made);
  CHECK(made->shape == shape);
  for (size_t i = 0; i < values.size(); ++i) CHECK(made->values[i] == static_cast<double>(values[i]));
}
