namespace FineMixing.Mixing.Mixers;

/// <summary>DARE: drops each element of a model's change at random and rescales the rest by 1/density; then adds them up (linear) or as TIES does.</summary>
/// <remarks>
/// density = 1 - p defaults to the reserve ratio; weights default to 1. The random choice is <see cref="RandomMask"/>, keyed by (seed, tensor name) for the suspect and by (seed, tensor name, number) for other
/// models. Linear: w_Pre + lambda * sum a_i * change_i (normalised only when asked). TIES: signs are elected and the agreeing changes averaged.
/// </remarks>
public sealed class DareMixer : ArithmeticMixer
{
    private readonly bool _ties;
    /// <summary>Takes <see cref="MixerParameters.Weights"/>, <see cref="MixerParameters.Densities"/>, <see cref="MixerParameters.Normalize"/> and <see cref="MixerParameters.Scale"/>.</summary>
    public DareMixer(bool ties, MixerParameters? parameters = null)
        : base(ties ? "dare-ties" : "dare-linear", ties ? "DARE (TIES)" : "DARE (linear)", ties ? $"{Citations.Dare}; {Citations.Ties}" : Citations.Dare, parameters)
    {
        _ties = ties;
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 0, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => false;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var models = context.OtherCount + 1;
        var weights = MixerArguments.Weights(this, Parameters.Weights, models, 1);
        var densities = MixerArguments.Shares(this, "density", Parameters.Densities, models, context.Ratio);
        var masks = Enumerable.Range(0, models)
            .Select(m => RandomMask.Bernoulli(context.Options.Seed, m == 0 ? context.Tensor.Name : FormattableString.Invariant($"{context.Tensor.Name}#{m}"), densities[m])).ToArray();
        return (start, inputs, result) =>
        {
            var changes = Enumerable.Range(0, models).Select(inputs.Change).ToArray();
            var kept = new bool[result.Length];
            for (var m = 0; m < models; m++)
            {
                masks[m].Fill(start, kept);
                var rescale = (float)(1 / densities[m]);
                for (var i = 0; i < kept.Length; i++)
                    changes[m][i] = kept[i] ? changes[m][i] * rescale : 0;
            }

            TaskVectors.Merge(inputs.Base.Span, changes, weights, elect: _ties, Parameters.Normalize ?? _ties, Parameters.Scale ?? 1, result);
        };
    }
}
