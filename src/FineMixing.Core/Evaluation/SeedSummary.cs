using System.Globalization;

namespace FineMixing.Evaluation;

/// <summary>Mean and spread of a figure over several seeds.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="StandardDeviation">The sample standard deviation (n - 1); 0 for one seed.</param>
/// <param name="Count">The number of seeds.</param>
public sealed record SeedSummary(double Mean, double StandardDeviation, int Count)
{
    /// <summary>Summarises one value per seed.</summary>
    /// <exception cref="ArgumentException">There is no value.</exception>
    public static SeedSummary Of(IReadOnlyCollection<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Count == 0)
            throw new ArgumentException("There is no value to summarise.", nameof(values));
        var mean = values.Average();
        var variance = values.Count == 1 ? 0 : values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1);
        return new SeedSummary(mean, Math.Sqrt(variance), values.Count);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Mean:0.####} ± {StandardDeviation:0.####} (n = {Count})");
}
