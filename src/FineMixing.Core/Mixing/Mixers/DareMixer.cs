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
        var merge = Merge(context);
        var masks = merge.Densities.Select((density, m) => RandomMask.Bernoulli(context.Options.Seed, MaskName(context.Tensor.Name, m), density)).ToArray();
        return (start, inputs, result) =>
        {
            var changes = Enumerable.Range(0, merge.Models).Select(inputs.Change).ToArray();
            var kept = new bool[result.Length];
            for (var m = 0; m < merge.Models; m++)
            {
                masks[m].Fill(start, kept);
                var rescale = (float)(1 / merge.Densities[m]);
                for (var i = 0; i < kept.Length; i++)
                    changes[m][i] = kept[i] ? changes[m][i] * rescale : 0;
            }

            TaskVectors.Merge(inputs.Base.Span, changes, merge, result);
        };
    }

    /// <summary>Its parameters for a tensor.</summary>
    internal TaskVectorMerge Merge(TensorMixContext context) => TaskVectorMerge.Of(this, context, elect: _ties, normalize: _ties);

    /// <summary>The name that keys the mask of a model's change.</summary>
    internal static string MaskName(string tensor, int model) => model == 0 ? tensor : FormattableString.Invariant($"{tensor}#{model}");
}
