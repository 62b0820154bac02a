#pragma once

#include "tessera/data/images.h"
