#include "tessera/ops/edge_list.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

std::vector<int64_t> values(const at::Tensor& t) {
  const at::Tensor flat = t.contiguous();
  return {flat.const_data_ptr<int64_t>(), flat.const_data_ptr<int64_t>() + flat.numel()};
}

using List = std::vector<int64_t>;

at::Tensor index_of(const List& row, const List& col) {
  return at::stack({torch::tensor(row, at::kLong), torch::tensor(col, at::kLong)});
}

TEST(SortEdges, groups_by_receiver_and_by_sender_in_the_given_order) {
  const EdgeList e = sort_edges(index_of({2, 0, 2, 1}, {0, 1, 1, 0}), 4);
  EXPECT_EQ(values(e.row), (List{0, 1, 2, 2}));
  EXPECT_EQ(values(e.col), (List{1, 0, 0, 1}));
  EXPECT_EQ(values(e.order), (List{1, 3, 0, 2}));
  EXPECT_EQ(values(e.row_ptr), (List{0, 1, 2, 4, 4}));
  EXPECT_EQ(values(e.sender_ptr), (List{0, 2, 4, 4, 4}));
  EXPECT_EQ(values(e.sender_order), (List{1, 2, 0, 3}));
}

TEST(SortEdges, sorted_edges_keep_their_places) {
  const EdgeList e = sort_edges(index_of({0, 0, 1, 3}, {3, 1, 0, 0}), 4);
  EXPECT_EQ(values(e.order), (List{0, 1, 2, 3}));
  EXPECT_EQ(values(e.row_ptr), (List{0, 2, 3, 3, 4}));
  EXPECT_EQ(values(e.sender_order), (List{2, 3, 1, 0}));
}

TEST(SortEdges, drops_what_is_not_kept_and_remembers_the_places) {
  const at::Tensor index = index_of({2, 0, 2, 1}, {0, 1, 1, 0});
  for (const at::Tensor& keep : {torch::tensor({true, false, true, true}),
                                 torch::tensor({1.0, 0.0, 0.5, 1.0}).view({4, 1})}) {
    const EdgeList e = sort_edges(index, 3, keep);
    EXPECT_EQ(values(e.order), (List{3, 0, 2}));
    EXPECT_EQ(values(e.row_ptr), (List{0, 0, 1, 3}));
    EXPECT_EQ(e.num_given, 4);
  }
}

TEST(SortEdges, takes_no_edges_and_no_nodes) {
  EXPECT_EQ(values(sort_edges(at::empty({2, 0}, at::kLong), 3).row_ptr), (List{0, 0, 0, 0}));
  EXPECT_EQ(values(sort_edges(at::empty({2, 0}, at::kLong), 0).row_ptr), (List{0}));
}

TEST(SortEdges, refuses_indices_outside_the_nodes) {
  EXPECT_THROW(sort_edges(index_of({0, 3}, {1, 0}), 3), InvalidArgument);
  EXPECT_THROW(sort_edges(index_of({0, 1}, {3, 0}), 3), InvalidArgument);
  EXPECT_THROW(sort_edges(index_of({0, -1}, {1, 0}), 3), InvalidArgument);
}

TEST(SortEdges, refuses_wrong_shapes_and_dtypes) {
  EXPECT_THROW(sort_edges(at::zeros({2, 3}, at::kInt), 3), InvalidArgument);
  EXPECT_THROW(sort_edges(at::zeros({3, 2}, at::kLong), 3), InvalidArgument);
  EXPECT_THROW(sort_edges(at::zeros({2, 3}, at::kLong), -1), InvalidArgument);
  EXPECT_THROW(sort_edges(at::zeros({2, 3}, at::kLong), 3, at::ones({2}, at::kBool)),
               InvalidArgument);
}

}  // namespace
}  // namespace tessera::ops
