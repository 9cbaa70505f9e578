namespace FineMixing.Reports.Charts;

/// <summary>A share with an interval around it: a 95% confidence interval, or mean and spread over several seeds.</summary>
/// <param name="Value">The measured share, 0..1.</param>
/// <param name="Low">The lower end, 0..1.</param>
/// <param name="High">The upper end, 0..1.</param>
public readonly record struct Rate(double Value, double Low, double High)
{
    /// <summary>A share without an interval.</summary>
    public static Rate Exact(double value) => new(value, value, value);

    internal bool IsValid => Low >= 0 && High <= 1 && Low <= Value + 1e-9 && Value <= High + 1e-9;
}
