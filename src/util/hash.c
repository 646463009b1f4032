#include "util/hash.h"
