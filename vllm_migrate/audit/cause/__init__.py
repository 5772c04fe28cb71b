"""Why a candidate differs: signatures, interventions one at a time, and what follows from them."""
