#include "util/fd.h"
