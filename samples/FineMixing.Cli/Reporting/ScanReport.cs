using System.Globalization;
using FineMixing.Purification;
using FineMixing.Reports;
using FineMixing.Reports.Charts;

namespace FineMixing.Cli.Reporting;

/// <summary>E-PUR's ranking as a page with two charts.</summary>
internal static class ScanReport
{
    private const int MostLabels = 8;

    /// <param name="ranking">All tokens, the most suspicious first.</param>
    /// <param name="top">How many go into the table.</param>
    /// <param name="reset">How many rows a purification would reset.</param>
    public static Report Build(IReadOnlyList<SuspiciousToken> ranking, int top, int reset)
    {
        var builder = new ReportBuilder("E-PUR scan", "Which embedding rows moved far for how rare their token is");
        AddCharts(builder, ranking, reset);
        builder.Heading("Highest scores").Table(
            [new("rank", true), new("token"), new("id", true), new("score", true), new("drift", true), new("frequency", true)],
            [.. ranking.Take(top).Select(t => (IReadOnlyList<string>)
                [Text(t.Rank), t.Token, Text(t.Id), t.Score.ToString("F5", CultureInfo.InvariantCulture), t.Drift.ToString("F4", CultureInfo.InvariantCulture), t.Frequency.ToString("N0", CultureInfo.InvariantCulture)])]);
        return builder.Build();
    }

    /// <summary>The scatter of drift against frequency and the distribution of the score.</summary>
    public static void AddCharts(ReportBuilder builder, IReadOnlyList<SuspiciousToken> ranking, int reset)
    {
        double? threshold = reset > 0 && reset <= ranking.Count ? ranking[reset - 1].Score : null;
        var marked = ranking.Take(MostLabels).ToArray();
        builder.Heading("Embedding drift")
            .Chart(new DriftScatterChart
            {
                Title = "Embedding drift against word frequency",
                Caption = "Clean words drift with the logarithm of their frequency. A trigger word drifts like a frequent word while being rare: it stands alone in the upper left.",
                Tokens = [.. ranking.Select(t => new TokenDrift(t.Frequency, t.Drift))],
                Marked = [.. marked.Select(t => new MarkedToken(t.Token, t.Frequency, t.Drift))],
                FrequencyFloor = EmbeddingPurifier.FrequencyFloor,
                ScoreThreshold = threshold,
            }, "drift")
            .Chart(new ScoreHistogramChart
            {
                Title = "Distribution of the E-PUR score",
                Caption = "A trigger planted in its embedding row stands far to the right of all other tokens; a backdoor elsewhere in the model leaves no such trace.",
                Scores = [.. ranking.Select(t => t.Score)],
                Marked = [.. marked.Select(t => new MarkedScore(t.Token, t.Score))],
                Threshold = threshold,
            }, "scores");
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
