using FineMixing.Checkpoints;
using FineMixing.Mixing;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Mixing;

/// <summary>Mixes models whose weights are tensors on a device, with any mixer and the same options, schedules and policies as in files and in memory.</summary>
/// <remarks>
/// Masks and kept elements are bit for bit those of <see cref="WeightMixing"/>; what is calculated agrees to single precision (sums are added up in another order; they need double precision on the device). The methods of
/// <see cref="WeightMixers"/> run on the device. Others, and <c>arcee-fusion</c>, whose threshold hangs on the last bits of a softmax, pass through host memory tensor by tensor: exactly the result of the core.
/// </remarks>
public static class DeviceMixing
{
    private const long HostElements = 1 << 24;

    /// <summary>Mixes a suspect with its base (and others).</summary>
    /// <param name="mixer">The method.</param>
    /// <param name="suspect">Tensors by name, all on one device, for example a module's state dict; decides names, types and order of the result.</param>
    /// <param name="base">The pre-trained model on the same device; names may differ by prefix, types at will.</param>
    /// <param name="options">Ratio, seed and the rest.</param>
    /// <param name="others">More models on the same device, for methods that combine several.</param>
    /// <param name="ct">Cancels between tensors.</param>
    /// <returns>New tensors on the device, which the caller disposes of; none of the inputs is changed.</returns>
    /// <exception cref="ArgumentException">Bad options, models that do not fit together (all differences are listed), several devices, or NaN or infinite weights.</exception>
    public static IReadOnlyDictionary<string, Tensor> Mix(IWeightMixer mixer, IReadOnlyDictionary<string, Tensor> suspect, IReadOnlyDictionary<string, Tensor> @base, MixingOptions options, IReadOnlyList<IReadOnlyDictionary<string, Tensor>>? others = null, CancellationToken ct = default)
    {
        Native.TorchRuntime.EnsureLoaded();
        using var noGradients = no_grad();
        var models = new DeviceModels(new DeviceCheckpoint("suspect", suspect), new DeviceCheckpoint("base", @base), [.. (others ?? []).Select(o => new DeviceCheckpoint("model", o))]);
        var plan = MixPlan.Create(mixer, models.Suspect, models.Base, options, models.Others);
        models.ThrowIfOnSeveralDevices();
        var result = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            foreach (var tensor in plan.Tensors)
            {
                ct.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                if (options.CheckFinite && !models.AreFinite(plan, tensor))
                    NonFiniteWeights.ThrowIfAny(plan, models.Suspect, models.Base, models.Others, ct);
                result.Add(tensor.Suspect.Name, Mix(plan, tensor, models).MoveToOuterDisposeScope());
            }

            return result;
        }
        catch
        {
            foreach (var tensor in result.Values)
                tensor.Dispose();
            throw;
        }
    }

    private static Tensor Mix(MixPlan plan, TensorPlan tensor, DeviceModels models)
    {
        var suspect = models.Suspect[tensor.Suspect];
        switch (tensor.Action)
        {
            case TensorAction.Suspect:
                return suspect.clone();
            case TensorAction.Base:
                return DeviceInputs.As(models.Base[tensor.Base!], suspect.dtype).clone().view(suspect.shape);
            case TensorAction.Mixed when suspect.NumberOfElements > 0 && DeviceForms.For(plan.Mixer) is { } form:
                var context = new TensorMixContext(tensor.Suspect, tensor.Ratio, tensor.Others.Count, plan.Options);
                return DeviceInputs.As(form(context, models.Inputs(plan, tensor)), suspect.dtype).view(suspect.shape);
            default:
                return OnHost(plan, tensor, models);
        }
    }

    private static Tensor OnHost(MixPlan plan, TensorPlan tensor, DeviceModels models)
    {
        var mixing = new TensorMixing(plan, tensor);
        var target = empty_like(models.Suspect[tensor.Suspect]);
        var (flat, count) = (target.view(-1), tensor.Suspect.ElementCount);
        var step = mixing.InOnePiece ? count : HostElements;
        for (long start = 0; start < count; start += step)
        {
            using var scope = NewDisposeScope();
            var length = Math.Min(step, count - start);
            var part = zeros(length, dtype: flat.dtype);
            var inputs = new MixInputs(
                models.Suspect.Source(tensor.Suspect, start, length),
                plan.ReadsBase(tensor) ? models.Base.Source(tensor.Base!, start, length) : default,
                [.. tensor.Others.Select((o, i) => models.Others[i].Source(o, start, length))]);
            mixing.Mix(start, inputs, part.bytes, checkFinite: false);
            flat.narrow(0, start, length).copy_(part);
        }

        return target;
    }
}
