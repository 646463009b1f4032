#include "verify/secret.h"
