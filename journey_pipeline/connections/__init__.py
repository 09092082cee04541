"""The settings of connections, a module for each vendor, and where they are read from."""

SETTINGS = {
    "ApsisExports": "apsis.ApsisConnection",
    "InsiderExports": "insider.InsiderConnection",
    "LayerFiveCustomerJourneys": "layerfive.LayerFiveConnection",
    "SfmcJourneyHistory": "sfmc.SfmcConnection",
}
"""The class of a Component's settings, by the Component's name."""
