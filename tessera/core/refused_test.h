#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tessera/core/error.h"

/// For tests alone.
namespace tessera::testing {

/// The message of the error that `action` throws; its kind and id are checked.
template <class Kind = InvalidArgument, class Action>
std::string refused(const std::string& id, const Action& action) {
  try {
    action();
  } catch (const Kind& error) {
    EXPECT_EQ(error.id(), id) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "not refused: " << id;
  return "";
}

}  // namespace tessera::testing
