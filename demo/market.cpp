#include "demo/market.hpp"

namespace admetrics::demo {
namespace {

constexpr std::array<Country, 24> kCountries{{
    {"US", "United States", 340, {"California", "Texas", "Florida", "New York"}, true},
    {"GB", "United Kingdom", 110, {"England", "Scotland", "Wales", "Northern Ireland"}, true},
    {"CA", "Canada", 70, {"Ontario", "Quebec", "British Columbia", "Alberta"}, true},
    {"AU", "Australia", 65, {"New South Wales", "Victoria", "Queensland", "Western Australia"}, true},
    {"DE", "Germany", 60, {"Bayern", "Berlin", "Nordrhein-Westfalen", "Hessen"}, true},
    {"FR", "France", 50, {"Île-de-France", "Occitanie", "Nouvelle-Aquitaine", "Bretagne"}, true},
    {"IL", "Israel", 40, {"Tel Aviv", "Haifa", "Jerusalem", "Central District"}, true},
    {"NL", "Netherlands", 30, {"Noord-Holland", "Zuid-Holland", "Utrecht", "Gelderland"}, true},
    {"SE", "Sweden", 24, {"Stockholm", "Skåne", "Västra Götaland", "Uppsala"}, true},
    {"ES", "Spain", 28, {"Madrid", "Cataluña", "Andalucía", "Valencia"}, true},
    {"IT", "Italy", 26, {"Lombardia", "Lazio", "Toscana", "Piemonte"}, true},
    {"NO", "Norway", 16, {"Oslo", "Viken", "Vestland", "Rogaland"}, true},
    {"DK", "Denmark", 15, {"Hovedstaden", "Midtjylland", "Syddanmark", "Nordjylland"}, true},
    {"IE", "Ireland", 14, {"Leinster", "Munster", "Connacht", "Ulster"}, true},
    {"NZ", "New Zealand", 14, {"Auckland", "Wellington", "Canterbury", "Waikato"}, true},
    {"CH", "Switzerland", 13, {"Zürich", "Bern", "Genève", "Vaud"}, true},
    {"AT", "Austria", 12, {"Wien", "Tirol", "Salzburg", "Steiermark"}, true},
    {"BE", "Belgium", 12, {"Vlaanderen", "Wallonie", "Bruxelles", "Limburg"}, true},
    {"BR", "Brazil", 18, {"São Paulo", "Rio de Janeiro", "Bahia", "Paraná"}, true},
    {"MX", "Mexico", 15, {"Jalisco", "Nuevo León", "Puebla", "Yucatán"}, true},
    {"JP", "Japan", 12, {"Tokyo", "Osaka", "Hokkaido", "Kyoto"}, true},
    {"IN", "India", 10, {"Maharashtra", "Karnataka", "Delhi", "Kerala"}, true},
    {"XK", "Kosovo", 4, {"Pristina", "Prizren", "Peja", "Gjilan"}, false},
    {"CW", "Curaçao", 3, {"Willemstad", "Bandabou", "Bandariba", "Barber"}, false},
}};

constexpr std::array<Device, 7> kDevices{{
    {"iphone", Store::kApple, 620, true},
    {"ipad", Store::kApple, 60, true},
    {"android_smartphone", Store::kGoogle, 230, true},
    {"android_tablet", Store::kGoogle, 20, true},
    {"desktop", Store::kStripe, 55, true},
    {"ipod", Store::kApple, 5, false},
    {"other", Store::kStripe, 10, false},
}};

constexpr std::array<Product, 8> kProducts{{
    {"annual_59.99_trial7", 5'999, true, false, 420},
    {"annual_39.99_trial7", 3'999, true, false, 240},
    {"monthly_9.99_trial7", 999, true, true, 220},
    {"family_annual_89.99_trial7", 8'999, true, false, 70},
    {"monthly_12.99", 1'299, false, true, 300},
    {"annual_49.99", 4'999, false, false, 260},
    {"lifetime_149.00", 14'900, false, false, 40},
    {"weekly_4.50", 450, false, true, 120},
}};

}  // namespace

std::span<const Country> countries() { return kCountries; }
std::span<const Device> devices() { return kDevices; }
std::span<const Product> products() { return kProducts; }

std::string_view name_of(Store store) {
  switch (store) {
    case Store::kApple: return "app_store";
    case Store::kGoogle: return "play_store";
    case Store::kStripe: return "stripe";
  }
  return "";
}

std::string_view mapped_name_of(Store store) {
  switch (store) {
    case Store::kApple: return "APP_STORE";
    case Store::kGoogle: return "PLAY_STORE";
    case Store::kStripe: return "STRIPE";
  }
  return "";
}

std::string_view name_of(EventKind kind) {
  switch (kind) {
    case EventKind::kAppOpen: return "App Opened";
    case EventKind::kPageView: return "Page View";
    case EventKind::kPaywallViewed: return "Paywall Viewed";
    case EventKind::kOnboardingDone: return "Onboarding Completed";
    case EventKind::kContentSaved: return "Content Saved";
    case EventKind::kSearch: return "Search";
    case EventKind::kShare: return "Share";
    case EventKind::kTrialStarted: return "RC Trial started";
    case EventKind::kTrialCancelled: return "RC Trial cancelled";
    case EventKind::kTrialConverted: return "RC Trial converted";
    case EventKind::kInitialPurchase: return "RC Initial purchase";
    case EventKind::kRenewal: return "RC Renewal";
    case EventKind::kUnsubscribed:
    case EventKind::kRefund: return "RC Cancellation";
  }
  return "";
}

}  // namespace admetrics::demo
