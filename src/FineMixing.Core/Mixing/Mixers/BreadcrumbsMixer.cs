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
        var models = context.OtherCount + 1;
        var weights = MixerArguments.Weights(this, Parameters.Weights, models, 1);
        var densities = MixerArguments.Shares(this, "density", Parameters.Densities, models, context.Ratio);
        var gammas = MixerArguments.Shares(this, "gamma", Parameters.Gammas, models, 0.01);
        return (_, inputs, result) =>
        {
            var changes = Enumerable.Range(0, models).Select(inputs.Change).ToArray();
            for (var m = 0; m < models; m++)
            {
                var count = changes[m].Length;
                var keep = RandomMask.KeptCount(densities[m], count);
                TaskVectors.Trim(changes[m], keep, Math.Min(RandomMask.KeptCount(gammas[m], count), count - keep));
            }

            TaskVectors.Merge(inputs.Base.Span, changes, weights, elect: false, Parameters.Normalize ?? false, Parameters.Scale ?? 1, result);
        };
    }
}
