#include "tessera/io/pickle.h"

#include <limits>
#include <string>
#include <utility>

#include "tessera/io/cursor.h"

namespace tessera::io::pickle {
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

class Machine : public Values {
 public:
  Machine(std::span<const std::byte> bytes, const Origin& origin)
      : Values(origin), size_(bytes.size()), cursor_(bytes, origin, "T-PKL-01") {
    if (bytes.size() > kMaxBytes) {
      bad("T-PKL-13", "a pickle of a citation graph must have at most 256 MiB",
          std::to_string(bytes.size()) + " bytes");
    }
  }

  void run() {
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
    whole_ = stack_.back();
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
  size_t opcode_at_ = 0;
  std::vector<Id> stack_, memo_;
  std::vector<size_t> marks_;
};

}  // namespace

const Value* Values::find(const Value& dict, std::string_view key) const {
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

Array Values::array_of(const Value& array, std::string_view what) const {
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

std::vector<int64_t> Values::shape_of(const Value& tuple, std::string_view what) const {
  if (tuple.kind != Kind::kTuple || tuple.items.size() > 2) wrong(what, "a shape of 1 or 2 axes");
  std::vector<int64_t> shape;
  for (const Id id : tuple.items) {
    const Value& axis = value(id);
    if (axis.kind != Kind::kInt || axis.number < 0) wrong(what, "a shape of sizes from 0");
    shape.push_back(axis.number);  // at most 2^31 each: two of them cannot overflow
  }
  return shape;
}

void Values::wrong(std::string_view what, std::string_view rule) const {
  origin_.bad("T-PKL-10", std::string(what) + " must be " + std::string(rule), "something else");
}

Values run(std::span<const std::byte> bytes, const Origin& origin) {
  Machine machine(bytes, origin);
  machine.run();
  return machine;
}

}  // namespace tessera::io::pickle
