// How the weights of a model are cut into pieces, and what becomes of a piece that fails.
#include "core/model/weights.h"

#include <catch2/catch.hpp>

using namespace llmops;

namespace {

TensorRecipe recipe(const std::string& name, std::vector<uint64_t> shape) {
  TensorRecipe made;
  made.name = name;
  made.shape = std::move(shape);
  return made;
}

}  // namespace

TEST_CASE("a recipe that is wanted whole is one piece, and the others stay in pieces of a quarter of a million values") {
  const std::vector<TensorRecipe> recipes = {recipe("a", {1024, 1024}), recipe("b", {1024, 1024})};
  const std::vector<Piece> pieces = pieces_of(recipes, [](const TensorRecipe& one) { return one.name == "b"; });
  REQUIRE(pieces.size() == 5);
  for (size_t i = 0; i < 4; ++i) CHECK((pieces[i].recipe == 0 && pieces[i].first_row == 256 * i && pieces[i].rows == 256));
  CHECK((pieces[4].recipe == 1 && pieces[4].first_row == 0 && pieces[4].rows == 1024 && pieces[4].index == 4));
  CHECK(pieces_of(recipes).size() == 8);
}

TEST_CASE("memory that runs out in any thread is an error of the command") {
  const std::vector<TensorRecipe> recipes = {recipe("a", {2048, 1024})};
  const std::vector<Piece> pieces = pieces_of(recipes);
  for (const size_t threads : {1, 4}) {
    const Status done = for_each_piece(pieces, threads, {}, [](const Piece&, PieceRoom&) -> Status { throw std::bad_alloc(); });
    REQUIRE_FALSE(done);
    CHECK(done.error().code == ErrorCode::kIo);
    CHECK(done.error().message == "not enough memory for 256 rows of a tensor");
    CHECK(done.error().hint == "use fewer threads: -j 1");
  }
}
