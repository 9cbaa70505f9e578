using FineMixing.Reports.Charts;

namespace FineMixing.Tests.Reports;

/// <summary>One of each chart, with a name of the caller's choice wherever a chart shows names.</summary>
internal static class SampleCharts
{
    public static Chart[] All(string name) =>
    [
        new DefenceBarChart { Title = name, Caption = name, Bars = [new(name, new(0.9, 0.88, 0.92), new(1, 0.99, 1), 0.11), new("mixed", new(0.87, 0.85, 0.89), new(0.13, 0.1, 0.16), 0.11)] },
        new CurveChart
        {
            Title = name,
            SuspectAccuracy = 0.9,
            Floor = 0.11,
            Curves = [new(name, [new(0.1, new(0.7, 0.68, 0.72), Rate.Exact(0.1)), new(0.9, new(0.9, 0.88, 0.92), Rate.Exact(0.9))])],
        },
        new DriftScatterChart
        {
            Title = name,
            ScoreThreshold = 0.05,
            Tokens = [.. Enumerable.Range(1, 500).Select(i => new TokenDrift(i * i, 0.02 * Math.Log(i + 2)))],
            Marked = [new(name, 25, 0.4), new("mn", 25, 0.4), new("tq", 25, 0.39), new("the", 250_000, 0.3)],
        },
        new ScoreHistogramChart { Title = name, Threshold = 0.5, Scores = [.. Enumerable.Range(0, 500).Select(i => i % 17 / 17.0)], Marked = [new(name, 1), new("x", 0.99), new("y", 0)] },
        new RatioSearchChart
        {
            Title = name,
            SuspectAccuracy = 0.9,
            Tolerance = 0.02,
            Chosen = 0.4,
            Trials = [.. Enumerable.Range(1, 10).Select(i => new RatioTrial(i / 10.0, new(0.5 + i * 0.04, 0.45 + i * 0.04, 0.55 + i * 0.04)))],
        },
        new TradeOffChart
        {
            Title = name,
            Floor = 0.11,
            Defences = [new(name, [new("0.3", new(0.8, 0.78, 0.82), new(0.2, 0.1, 0.3)), new("0.5", new(0.86, 0.85, 0.87), new(0.4, 0.3, 0.5))]), new("none", [new(name, Rate.Exact(0.9), Rate.Exact(1))])],
        },
        new LayerBarChart { Title = name, Layers = [name, "encoder layer 0"], Columns = [new(name, [0.01, 0.2]), new("reserve ratio", [0.3, 0])] },
    ];
}
