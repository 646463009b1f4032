#include "util/hex.h"
