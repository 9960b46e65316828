// sample_words.h - the words of the made-up network, the most frequent first.
#pragma once

static const char *const sample_words[] = {
    "the",         "of",         "and",         "to",         "a",
    "in",          "is",         "it",          "you",        "that",
    "we",          "for",        "on",          "with",       "this",
    "are",         "be",         "have",        "not",        "but",
    "at",          "from",       "they",        "what",       "all",
    "one",         "new",        "can",         "more",       "when",
    "time",        "people",     "today",       "like",       "just",
    "good",        "think",      "work",        "really",     "day",
    "first",       "made",       "much",        "where",      "home",
    "city",        "coffee",     "never",       "music",      "morning",
    "night",       "project",    "weekend",     "photo",      "running",
    "garden",      "kitchen",    "bread",       "river",      "mountain",
    "train",       "bicycle",    "library",     "software",   "database",
    "stream",      "event",      "weather",     "rain",       "summer",
    "winter",      "café",       "señor",       "über",       "naïve",
    "Straße",      "привет",     "море",        "東京",       "音楽",
    "서울",        "friends",    "family",      "market",     "window",
    "letter",      "story",      "question",    "answer",     "history",
    "future",      "science",    "quantum",     "signal",     "harbour",
    "island",      "bridge",     "station",     "theatre",    "museum",
    "painting",    "guitar",     "piano",       "concert",    "festival",
    "holiday",     "journey",    "compass",     "lantern",    "candle",
    "mirror",      "shadow",     "silver",      "golden",     "copper",
    "cotton",      "velvet",     "marble",      "granite",    "meadow",
    "forest",      "valley",     "desert",      "ocean",      "harvest",
    "orchard",     "vineyard",   "kettle",      "pepper",     "cinnamon",
    "saffron",     "ginger",     "lemon",       "almond",     "walnut",
    "honey",       "sparrow",    "falcon",      "heron",      "otter",
    "badger",      "lynx",       "telescope",   "microscope", "algorithm",
    "theorem",     "paradox",    "metaphor",    "sonnet",     "overture",
    "cathedral",   "lighthouse", "archipelago", "labyrinth",  "kaleidoscope",
    "serendipity",
};
static const char *const sample_tags[] = {
    "nova",      "coffee",  "music",    "photo",      "running", "garden",  "travel",  "books",
    "science",   "cooking", "cycling",  "art",        "film",    "weather", "cats",    "dogs",
    "history",   "quantum", "database", "opensource", "linux",   "design",  "theatre", "chess",
    "astronomy", "birds",   "hiking",   "bread",      "jazz",    "poetry",  "sailing", "maps",
    "trains",    "café",    "日本",     "весна",
};
static const char *const sample_first_names[] = {
    "Ada",  "Ben",    "Chloe", "Diego",  "Emre", "Fatima", "Goran", "Hana",  "Ivan",  "Jun",
    "Kofi", "Lena",   "Mei",   "Noor",   "Olga", "Priya",  "Quinn", "Rosa",  "Sven",  "Tariq",
    "Uma",  "Victor", "Wanda", "Ximena", "Yuki", "Zoe",    "Amara", "Björn", "Çelik", "Dvořák",
};
static const char *const sample_last_names[] = {
    "Okafor",   "Smith",  "Nguyen",  "García", "Müller",  "Rossi",  "Tanaka",
    "Kowalski", "Haddad", "Ivanova", "Silva",  "Jensen",  "Kim",    "Novák",
    "Dubois",   "Ali",    "Singh",   "Chen",   "Moreau",  "Larsen", "Costa",
    "Yilmaz",   "Popov",  "Sato",    "Murphy", "Fischer", "Lopez",  "Mensah",
};
