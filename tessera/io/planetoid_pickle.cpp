#include "tessera/io/planetoid_pickle.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

/// PubMed's largest part has 7 MB; objects cost tens of bytes for each of the file's.
constexpr size_t kMaxBytes = size_t{256} << 20;

enum Opcode : uint8_t {
  kProto = 0x80,
  kGlobal = 'c',
  kEmptyTuple = ')',
  kNewObj = 0x81,
  kEmptyDict = '}',
  kEmptyList = ']',
  kMark = '(',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kBinGet = 'h',
  kShortBinString = 'U',
  kBinString = 'T',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kReduce = 'R',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBuild = 'b',
  kSetItem = 's',  // how Python 2 writes a batch of one
  kSetItems = 'u',
  kAppend = 'a',
  kAppends = 'e',
  kStop = '.',
};

/// Names of what is refused, for the message.
std::string name_of_refused(uint8_t code) {
  constexpr std::pair<uint8_t, std::string_view> kNames[] = {
      {'i', "INST"},          {'o', "OBJ"},        {'P', "PERSID"},
      {'Q', "BINPERSID"},     {'I', "INT"},        {'L', "LONG"},
      {'F', "FLOAT"},         {'G', "BINFLOAT"},   {'S', "STRING"},
      {'V', "UNICODE"},       {'X', "BINUNICODE"}, {'j', "LONG_BINGET"},
      {'g', "GET"},           {'p', "PUT"},        {'d', "DICT"},
      {'l', "LIST"},          {'0', "POP"},        {'1', "POP_MARK"},
      {'2', "DUP"},           {'B', "BINBYTES"},   {'C', "SHORT_BINBYTES"},
      {0x82, "EXT1"},         {0x83, "EXT2"},      {0x84, "EXT4"},
      {0x8a, "LONG1"},        {0x8b, "LONG4"},     {0x8c, "SHORT_BINUNICODE"},
      {0x8d, "BINUNICODE8"},  {0x8e, "BINBYTES8"}, {0x8f, "EMPTY_SET"},
      {0x90, "ADDITEMS"},     {0x91, "FROZENSET"}, {0x92, "NEWOBJ_EX"},
      {0x93, "STACK_GLOBAL"}, {0x94, "MEMOIZE"},   {0x95, "FRAME"}};
  for (const auto& [known, name] : kNames) {
    if (known == code) return std::string(name);
  }
  return "byte " + std::to_string(code);
}

enum class Global { kCsrMatrix, kReconstruct, kNdarray, kDtype, kDefaultDict, kList };

constexpr std::pair<std::string_view, Global> kGlobals[] = {
    {"scipy.sparse.csr csr_matrix", Global::kCsrMatrix},
    {"numpy.core.multiarray _reconstruct", Global::kReconstruct},
    {"numpy ndarray", Global::kNdarray},
    {"numpy dtype", Global::kDtype},
    {"collections defaultdict", Global::kDefaultDict},
    {"__builtin__ list", Global::kList},
};

/// Where a value lies. Values refer to each other by number, so a list that holds itself is no
/// danger: nothing here walks deeper than the shapes that it looks for.
using Id = uint32_t;

enum class Kind : uint8_t {
  kNone,
  kBool,
  kInt,
  kString,
  kGlobal,
  kTuple,
  kList,
  kDict,
  kArray,
  kDtype,
  kCsr
};

struct Value {
  Kind kind = Kind::kNone;
  /// A dict that makes lists: the graph. An array, dtype or matrix that has had its BUILD.
  bool is_default_dict = false, is_built = false;
  int64_t number = 0;          ///< of a bool, int or Global; of an array or matrix its state's Id
  std::string_view text;       ///< of a string, and of a dtype its name ("f4")
  bool is_big_endian = false;  ///< dtype
  std::vector<Id> items;       ///< of a tuple or list; of a dict key, value, key, value…
};

struct Array {
  std::vector<int64_t> shape;
  std::string_view type;  ///< "i4", "i8", "f4", "f8"
  bool is_big_endian = false;
  std::span<const std::byte> data;

  int64_t size() const {
    int64_t count = 1;
    for (const int64_t axis : shape) count *= axis;
    return count;
  }
};

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const Origin& origin)
      : size_(bytes.size()), cursor_(bytes, origin, "T-PKL-01"), origin_(origin) {
    if (bytes.size() > kMaxBytes) {
      bad("T-PKL-13", "a pickle of a citation graph must have at most 256 MiB",
          std::to_string(bytes.size()) + " bytes");
    }
  }

  /// Runs to STOP, which must be the last byte; returns what is left on the stack.
  const Value& run() {
    if (next() != kProto || cursor_.little<uint8_t>("protocol") != 2) {
      origin_.unsupported("T-PKL-02", "the pickle must be of protocol 2, as Planetoid's files are",
                          {}, "A file that was pickled again can be saved as safetensors.");
    }
    while (true) {
      const uint8_t code = next();
      if (code == kStop) break;
      step(code);
    }
    if (cursor_.remaining() > 0) {
      bad("T-PKL-09", "nothing may follow STOP", std::to_string(cursor_.remaining()) + " bytes");
    }
    if (stack_.size() != 1 || !marks_.empty()) malformed("one value at STOP");
    return value(stack_.back());
  }

  const Value& value(Id id) const { return values_[id]; }

  /// The value of a key of a dict, or nullptr. Keys are few.
  const Value* find(const Value& dict, std::string_view key) const {
    const Value* found = nullptr;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value& k = value(dict.items[i]);
      if (k.kind != Kind::kString || k.text != key) continue;
      if (found != nullptr) {
        origin_.bad("T-PKL-14", "a matrix must have each part once", "two of " + shown(key));
      }
      found = &value(dict.items[i + 1]);
    }
    return found;
  }

  /// An array that was BUILT, its parts checked against each other.
  Array array_of(const Value& array, std::string_view what) const {
    if (array.kind != Kind::kArray || !array.is_built) wrong(what, "a NumPy array");
    const Value& state = value(static_cast<Id>(array.number));
    const Value& dtype = value(state.items[2]);
    Array result{.shape = shape_of(value(state.items[1]), what),
                 .type = dtype.text,
                 .is_big_endian = dtype.is_big_endian};
    const std::string_view raw = value(state.items[4]).text;
    result.data = std::as_bytes(std::span(raw.data(), raw.size()));
    return result;
  }

  /// Sizes of a tuple of non-negative integers whose product is no overflow.
  std::vector<int64_t> shape_of(const Value& tuple, std::string_view what) const {
    if (tuple.kind != Kind::kTuple || tuple.items.size() > 2) wrong(what, "a shape of 1 or 2 axes");
    std::vector<int64_t> shape;
    for (const Id id : tuple.items) {
      const Value& axis = value(id);
      if (axis.kind != Kind::kInt || axis.number < 0) wrong(what, "a shape of sizes from 0");
      shape.push_back(axis.number);  // at most 2^31 each: two of them cannot overflow
    }
    return shape;
  }

  [[noreturn]] void wrong(std::string_view what, std::string_view rule) const {
    origin_.bad("T-PKL-10", std::string(what) + " must be " + std::string(rule), "something else");
  }

 private:
  // ---- Bytes ----

  size_t place() const { return size_ - cursor_.remaining(); }
  uint8_t next() {
    opcode_at_ = place();
    return cursor_.little<uint8_t>("opcodes");
  }
  std::string at() const { return " at byte " + std::to_string(opcode_at_); }

  [[noreturn]] void bad(std::string_view id, const std::string& rule,
                        const std::string& got) const {
    origin_.bad(id, rule, got);
  }
  [[noreturn]] void malformed(std::string_view rule) const {
    bad("T-PKL-05", "the pickle's stack must hold " + std::string(rule), "something else" + at());
  }

  /// Text up to the newline, which GLOBAL ends its two names with.
  std::string_view line() {
    const std::string_view rest = as_text(cursor_.rest());
    const size_t end = rest.find('\n');
    // Names here have 30 characters at most.
    if (end == rest.npos || end > 100)
      bad("T-PKL-04", "a name must end with its line", "none" + at());
    cursor_.skip(end + 1, "name");
    return rest.substr(0, end);
  }

  // ---- Stack ----

  Id make(Value made) {
    values_.push_back(std::move(made));
    return static_cast<Id>(values_.size() - 1);
  }
  void push(Value made) { stack_.push_back(make(std::move(made))); }
  void push_int(int64_t number) { push({.kind = Kind::kInt, .number = number}); }

  size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }
  Id pop() {
    if (stack_.size() <= bottom()) malformed("an operand");
    const Id id = stack_.back();
    stack_.pop_back();
    return id;
  }
  Value& top(std::string_view rule) {
    if (stack_.size() <= bottom()) malformed(rule);
    return values_[stack_.back()];
  }
  /// The values above the last mark, which goes.
  std::vector<Id> pop_to_mark() {
    if (marks_.empty()) malformed("a mark");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Id> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<Id> pop_many(size_t count) {
    std::vector<Id> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  void put(uint64_t key) {
    top("a value to remember");
    // Python numbers them as they come, from 0 or 1.
    if (key != memo_.size() && !(memo_.empty() && key == 1)) {
      bad("T-PKL-06", "values must be remembered under ascending numbers",
          std::to_string(key) + at());
    }
    if (key == 1 && memo_.empty()) memo_.push_back(kForgotten);
    memo_.push_back(stack_.back());
  }
  void get(uint64_t key) {
    if (key >= memo_.size() || memo_[key] == kForgotten) {
      bad("T-PKL-06", "only what was remembered can be recalled", std::to_string(key) + at());
    }
    stack_.push_back(memo_[key]);
  }

  // ---- Opcodes ----

  void step(uint8_t code) {
    switch (code) {
      case kGlobal:
        return push_global();
      case kEmptyTuple:
        return push({.kind = Kind::kTuple});
      case kNewObj:
        return new_object();
      case kEmptyDict:
        return push({.kind = Kind::kDict});
      case kEmptyList:
        return push({.kind = Kind::kList});
      case kMark:
        return marks_.push_back(stack_.size());
      case kBinPut:
        return put(cursor_.little<uint8_t>("BINPUT"));
      case kLongBinPut:
        return put(cursor_.little<uint32_t>("LONG_BINPUT"));
      case kBinGet:
        return get(cursor_.little<uint8_t>("BINGET"));
      case kShortBinString:
        return push_string(cursor_.little<uint8_t>("SHORT_BINSTRING"));
      case kBinString:
        return push_string(cursor_.little<uint32_t>("BINSTRING"));
      case kBinInt:
        return push_int(static_cast<int32_t>(cursor_.little<uint32_t>("BININT")));
      case kBinInt1:
        return push_int(cursor_.little<uint8_t>("BININT1"));
      case kBinInt2:
        return push_int(cursor_.little<uint16_t>("BININT2"));
      case kTuple:
        return push({.kind = Kind::kTuple, .items = pop_to_mark()});
      case kTuple1:
        return push({.kind = Kind::kTuple, .items = pop_many(1)});
      case kTuple2:
        return push({.kind = Kind::kTuple, .items = pop_many(2)});
      case kTuple3:
        return push({.kind = Kind::kTuple, .items = pop_many(3)});
      case kReduce:
        return reduce();
      case kNone:
        return push({});
      case kNewTrue:
        return push({.kind = Kind::kBool, .number = 1});
      case kNewFalse:
        return push({.kind = Kind::kBool});
      case kBuild:
        return build();
      case kSetItem:
        return set_items(pop_many(2));
      case kSetItems:
        return set_items(pop_to_mark());
      case kAppend:
        return append(pop_many(1));
      case kAppends:
        return append(pop_to_mark());
      default:
        origin_.unsupported("T-PKL-03", "only the opcodes of Planetoid's pickles are read",
                            name_of_refused(code) + at(),
                            "Take the official files, or save the graph as safetensors.");
    }
  }

  void push_global() {
    const std::string_view module = line();
    const std::string name = std::string(module) + " " + std::string(line());
    for (const auto& [known, global] : kGlobals) {
      if (known == name) {
        return push({.kind = Kind::kGlobal, .number = static_cast<int64_t>(global)});
      }
    }
    origin_.unsupported("T-PKL-04", "only the names of Planetoid's pickles are known",
                        shown(name) + at(), "Pickles are never run: do not trust this file.");
  }

  void push_string(uint64_t size) {
    push({.kind = Kind::kString, .text = as_text(cursor_.take(size, "a string"))});
  }

  bool is_global(Id id, Global global) const {
    const Value& v = value(id);
    return v.kind == Kind::kGlobal && v.number == static_cast<int64_t>(global);
  }
  bool is_string(Id id, std::string_view text) const {
    return value(id).kind == Kind::kString && value(id).text == text;
  }
  bool is_int(Id id, int64_t number) const {
    return value(id).kind == Kind::kInt && value(id).number == number;
  }
  bool is_none(Id id) const { return value(id).kind == Kind::kNone; }

  void new_object() {
    const Id arguments = pop(), made = pop();
    if (!is_global(made, Global::kCsrMatrix) || value(arguments).kind != Kind::kTuple ||
        !value(arguments).items.empty()) {
      malformed("csr_matrix and () for NEWOBJ");
    }
    push({.kind = Kind::kCsr});
  }

  /// dtype("f4", 0, 1), _reconstruct(ndarray, (0,), "b"), defaultdict(list): the only calls.
  void reduce() {
    const Id arguments = pop(), called = pop();
    if (value(arguments).kind != Kind::kTuple) malformed("a tuple for REDUCE");
    const std::vector<Id>& a = value(arguments).items;
    if (is_global(called, Global::kDtype) && a.size() == 3 && value(a[0]).kind == Kind::kString &&
        is_int(a[1], 0) && is_int(a[2], 1)) {
      const std::string_view type = value(a[0]).text;
      if (type != "i4" && type != "i8" && type != "f4" && type != "f8") {
        origin_.unsupported("T-PKL-07", "arrays must be of type i4, i8, f4 or f8",
                            shown(type) + at());
      }
      return push({.kind = Kind::kDtype, .text = type});
    }
    if (is_global(called, Global::kReconstruct) && a.size() == 3 &&
        is_global(a[0], Global::kNdarray) && is_string(a[2], "b")) {
      return push({.kind = Kind::kArray});
    }
    if (is_global(called, Global::kDefaultDict) && a.size() == 1 &&
        is_global(a[0], Global::kList)) {
      return push({.kind = Kind::kDict, .is_default_dict = true});
    }
    malformed("dtype, _reconstruct or defaultdict with its arguments for REDUCE");
  }

  void build() {
    const Id state_id = pop();
    Value& object = top("an object for BUILD");
    const Value& state = value(state_id);
    if (object.is_built) malformed("an object without a state for BUILD");
    const std::vector<Id>& s = state.items;
    if (object.kind == Kind::kDtype) {
      if (state.kind != Kind::kTuple || s.size() != 8 || !is_int(s[0], 3) || !is_none(s[2]) ||
          !is_none(s[3]) || !is_none(s[4])) {
        malformed("the state of a plain dtype");
      }
      const bool is_big = is_string(s[1], ">");
      if (!is_big && !is_string(s[1], "<")) malformed("'<' or '>' as a dtype's byte order");
      object.is_big_endian = is_big;
    } else if (object.kind == Kind::kArray) {
      check_array(state);
      object.number = state_id;
    } else if (object.kind == Kind::kCsr) {
      if (state.kind != Kind::kDict) malformed("a dict as csr_matrix's state");
      object.number = state_id;
    } else {
      malformed("an array, dtype or csr_matrix for BUILD");
    }
    object.is_built = true;
  }

  /// (1, shape, dtype, is it in Fortran's order, raw bytes)
  void check_array(const Value& state) {
    const std::vector<Id>& s = state.items;
    if (state.kind != Kind::kTuple || s.size() != 5 || !is_int(s[0], 1) ||
        value(s[2]).kind != Kind::kDtype || !value(s[2]).is_built ||
        value(s[3]).kind != Kind::kBool || value(s[4]).kind != Kind::kString) {
      malformed("the state of an array of numbers");
    }
    if (value(s[3]).number != 0) {
      origin_.unsupported("T-PKL-07", "arrays must lie in C's order", "Fortran's" + at());
    }
    uint64_t bytes = value(s[2]).text[1] == '8' ? 8 : 4;
    for (const int64_t axis : shape_of(value(s[1]), "an array's shape")) {
      // Two axes of 31 bits and 8 bytes fit into 65 bits: the product may wrap.
      if (axis != 0 && bytes > std::numeric_limits<uint64_t>::max() / static_cast<uint64_t>(axis)) {
        bad("T-PKL-08", "an array's shape must be smaller than 2^64 bytes", "an overflow" + at());
      }
      bytes *= static_cast<uint64_t>(axis);
    }
    if (bytes != value(s[4]).text.size()) {
      bad("T-PKL-08", "an array must have the " + std::to_string(bytes) + " bytes of its shape",
          std::to_string(value(s[4]).text.size()) + at());
    }
  }

  void set_items(std::vector<Id> items) {
    Value& dict = top("a dict for SETITEMS");
    if (dict.kind != Kind::kDict || items.size() % 2 != 0)
      malformed("a dict and pairs for SETITEMS");
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  }
  void append(std::vector<Id> items) {
    Value& list = top("a list for APPENDS");
    if (list.kind != Kind::kList) malformed("a list for APPENDS");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }

  static constexpr Id kForgotten = std::numeric_limits<Id>::max();

  size_t size_;
  Cursor cursor_;
  Origin origin_;
  size_t opcode_at_ = 0;
  std::vector<Value> values_;
  std::vector<Id> stack_, memo_;
  std::vector<size_t> marks_;
};

// ---- Numbers of an array
// --------------------------------------------------------------------------

template <class Unsigned>
Unsigned load(const Array& array, size_t i) {
  const auto bytes = array.data.subspan(i * sizeof(Unsigned), sizeof(Unsigned));
  return array.is_big_endian ? load_big<Unsigned>(bytes) : load_little<Unsigned>(bytes);
}

std::optional<int64_t> integer_at(const Array& array, size_t i) {
  if (array.type == "i4") return static_cast<int32_t>(load<uint32_t>(array, i));
  if (array.type == "i8") return static_cast<int64_t>(load<uint64_t>(array, i));
  return std::nullopt;
}

double real_at(const Array& array, size_t i) {
  if (array.type == "f4") return std::bit_cast<float>(load<uint32_t>(array, i));
  if (array.type == "f8") return std::bit_cast<double>(load<uint64_t>(array, i));
  return static_cast<double>(*integer_at(array, i));
}

/// A matrix's index array of one axis.
std::vector<int64_t> indices_of(const Machine& machine, const Value* part, std::string_view what) {
  if (part == nullptr) machine.wrong(what, "there");
  const Array array = machine.array_of(*part, what);
  if (array.shape.size() != 1 || array.type[0] != 'i') machine.wrong(what, "integers of one axis");
  std::vector<int64_t> values(static_cast<size_t>(array.size()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = *integer_at(array, i);
  return values;
}

}  // namespace

SparseRows parse_sparse_pickle(std::span<const std::byte> bytes, std::string_view file) {
  const Origin origin{"planetoid", file};
  Machine machine(bytes, origin);
  const Value& top = machine.run();
  if (top.kind != Kind::kCsr || !top.is_built) machine.wrong("the pickle", "a csr_matrix");
  const Value& state = machine.value(static_cast<Id>(top.number));

  SparseRows matrix;
  const Value* shape = machine.find(state, "_shape");
  if (shape == nullptr) machine.wrong("_shape", "there");
  const std::vector<int64_t> sizes = machine.shape_of(*shape, "_shape");
  if (sizes.size() != 2) machine.wrong("_shape", "two sizes");
  matrix.rows = sizes[0];
  matrix.cols = sizes[1];
  matrix.row_ptr = indices_of(machine, machine.find(state, "indptr"), "indptr");
  matrix.col = indices_of(machine, machine.find(state, "indices"), "indices");
  const Value* data = machine.find(state, "data");
  if (data == nullptr) machine.wrong("data", "there");
  const Array values = machine.array_of(*data, "data");

  const auto inconsistent = [&](std::string_view rule, const std::string& got) {
    origin.bad("T-PKL-11", rule, got);
  };
  const size_t count = matrix.col.size();
  if (values.shape.size() != 1 || static_cast<size_t>(values.size()) != count) {
    inconsistent("indices and data must have one length", std::to_string(count));
  }
  if (matrix.row_ptr.size() != static_cast<size_t>(matrix.rows) + 1 || matrix.row_ptr[0] != 0 ||
      matrix.row_ptr.back() != static_cast<int64_t>(count)) {
    inconsistent("indptr must go from 0 to the number of values in one step a row",
                 std::to_string(matrix.row_ptr.size()) + " places");
  }
  if (!std::is_sorted(matrix.row_ptr.begin(), matrix.row_ptr.end())) {
    inconsistent("indptr must ascend", "a step down");
  }
  std::vector<int64_t> row;
  for (size_t r = 0; r + 1 < matrix.row_ptr.size(); ++r) {
    row.assign(matrix.col.begin() + matrix.row_ptr[r], matrix.col.begin() + matrix.row_ptr[r + 1]);
    std::sort(row.begin(), row.end());
    if (!row.empty() && (row.front() < 0 || row.back() >= matrix.cols)) {
      inconsistent("indices must lie in [0, " + std::to_string(matrix.cols) + ")",
                   std::to_string(row.front() < 0 ? row.front() : row.back()));
    }
    if (std::adjacent_find(row.begin(), row.end()) != row.end()) {
      inconsistent("a row must hold a column once", "a repetition in row " + std::to_string(r));
    }
  }
  matrix.value.resize(count);
  for (size_t i = 0; i < count; ++i) {
    matrix.value[i] = static_cast<float>(real_at(values, i));
    if (!std::isfinite(matrix.value[i])) inconsistent("data must be finite", "inf or nan");
  }
  return matrix;
}

IntegerTable parse_table_pickle(std::span<const std::byte> bytes, std::string_view file) {
  Machine machine(bytes, {"planetoid", file});
  const Array array = machine.array_of(machine.run(), "the pickle");
  if (array.shape.size() != 2 || array.type[0] != 'i') {
    machine.wrong("the pickle", "integers of two axes");
  }
  IntegerTable table{.rows = array.shape[0], .cols = array.shape[1]};
  table.value.resize(static_cast<size_t>(array.size()));
  for (size_t i = 0; i < table.value.size(); ++i) table.value[i] = *integer_at(array, i);
  return table;
}

NeighbourLists parse_graph_pickle(std::span<const std::byte> bytes, std::string_view file) {
  const Origin origin{"planetoid", file};
  Machine machine(bytes, origin);
  const Value& top = machine.run();
  if (top.kind != Kind::kDict || !top.is_default_dict) {
    machine.wrong("the pickle", "a defaultdict of lists");
  }
  const auto node_of = [&](Id id, std::string_view what) {
    const Value& node = machine.value(id);
    if (node.kind != Kind::kInt || node.number < 0) {
      origin.bad("T-PKL-12", std::string(what) + " must be an integer from 0", "something else");
    }
    return node.number;
  };
  NeighbourLists lists;
  lists.list_ptr.push_back(0);
  for (size_t i = 0; i < top.items.size(); i += 2) {
    lists.node.push_back(node_of(top.items[i], "a node"));
    const Value& list = machine.value(top.items[i + 1]);
    if (list.kind != Kind::kList)
      origin.bad("T-PKL-12", "a node must have a list", "something else");
    // A list that many nodes share would multiply the file's size.
    if (lists.neighbour.size() + list.items.size() > bytes.size()) {
      origin.bad("T-PKL-12", "the lists must not be larger than the file", "one list many times");
    }
    for (const Id id : list.items) lists.neighbour.push_back(node_of(id, "a neighbour"));
    lists.list_ptr.push_back(static_cast<int64_t>(lists.neighbour.size()));
  }
  std::vector<int64_t> nodes = lists.node;
  std::sort(nodes.begin(), nodes.end());
  if (const auto twice = std::adjacent_find(nodes.begin(), nodes.end()); twice != nodes.end()) {
    origin.bad("T-PKL-14", "a node must have one list", "two of node " + std::to_string(*twice));
  }
  return lists;
}

}  // namespace tessera::io
