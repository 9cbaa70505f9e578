namespace FineMixing.Mixing.Mixers;

/// <summary>Model breadcrumbs: of each model's change, drops the very largest and the small values and adds up the rest.</summary>
/// <remarks>
/// Per tensor of n elements the floor(gamma * n) largest changes are dropped and then the smallest, until floor(density * n) are left (fewer large ones are dropped where the two exceed n). Density defaults to the reserve
/// ratio, gamma to 0.01, weights to 1. Result: w_Pre + lambda * sum a_i * change_i.
/// </remarks>
public sealed class BreadcrumbsMixer : ArithmeticMixer
{
    /// <summary>Takes <see cref="MixerParameters.Weights"/>, <see cref="MixerParameters.Densities"/>, <see cref="MixerParameters.Gammas"/>, <see cref="MixerParameters.Normalize"/> and <see cref="MixerParameters.Scale"/>.</summary>
    public BreadcrumbsMixer(MixerParameters? parameters = null)
        : base("breadcrumbs", "Model breadcrumbs", Citations.Breadcrumbs, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 0, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var merge = Merge(context);
        var gammas = Gammas(context);
        return (_, inputs, result) =>
        {
            var changes = Enumerable.Range(0, merge.Models).Select(inputs.Change).ToArray();
            for (var m = 0; m < merge.Models; m++)
            {
                var (keep, drop) = Counts(changes[m].Length, merge.Densities[m], gammas[m]);
                TaskVectors.Trim(changes[m], keep, drop);
            }

            TaskVectors.Merge(inputs.Base.Span, changes, merge, result);
        };
    }

    /// <summary>Its parameters for a tensor, but for the gammas.</summary>
    internal TaskVectorMerge Merge(TensorMixContext context) => TaskVectorMerge.Of(this, context, elect: false, normalize: false);

    /// <summary>The share of the largest changes that is dropped, one a model.</summary>
    internal double[] Gammas(TensorMixContext context) => MixerArguments.Shares(this, "gamma", Parameters.Gammas, context.OtherCount + 1, 0.01);

    /// <summary>How many changes are kept, and how many larger ones dropped.</summary>
    internal static (long Keep, long Drop) Counts(long count, double density, double gamma)
    {
        var keep = RandomMask.KeptCount(density, count);
        return (keep, Math.Min(RandomMask.KeptCount(gamma, count), count - keep));
    }
}
